"""The graph, written down: whoever changes it sees the change here as a diff."""

from __future__ import annotations

import dagster as dg
import pytest

from pipelines.definitions import build_defs, defs
from pipelines.orchestration.jobs import INGEST_JOB
from pipelines.orchestration.keys import CODE_VERSIONS, ENDPOINT_ASSET_TABLES
from pipelines.sweep.progress_listener import NullProgress

ASSETS = """
pages <-
published/archived_milestones <- warehouse
published/details_fields <- warehouse
published/event_versions <- published/milestone_events
published/events <- published/milestone_events
published/live_data <- published/milestones
published/milestone_changes <- warehouse
published/milestone_details <- warehouse
published/milestone_entities <- warehouse
published/milestone_events <- warehouse
published/milestone_sources <- warehouse
published/milestone_versions <- warehouse
published/milestones <- warehouse
published/quarantine <- warehouse
published/series <-
published/series_versions <-
published/structured_target_sources <- published/milestone_entities
published/structured_target_versions <- published/milestone_entities
published/structured_targets <- published/milestone_entities
published/sweeps <- warehouse
records <- pages
tables/milestone_details <- records
tables/milestone_entities <- records
tables/milestone_events <- records
tables/milestone_sources <- records
tables/milestones <- records
warehouse <- tables/milestone_details tables/milestone_entities tables/milestone_events tables/milestone_sources \
tables/milestones
"""

CHECKS = """
published/event_versions records_fit
published/live_data records_fit
published/series_versions records_fit
published/structured_target_versions records_fit
records expected_fields_are_there
tables/milestone_details details_keep_their_shape
tables/milestone_details rows_keep_rules
tables/milestone_entities rows_keep_rules
tables/milestone_events rows_keep_rules
tables/milestone_sources rows_keep_rules
tables/milestones refused_share BLOCKING
tables/milestones rows_keep_rules
warehouse archived_milestones_is_sound BLOCKING
warehouse categories_are_grouped
warehouse data_is_fresh
warehouse details_fields_is_sound BLOCKING
warehouse milestone_changes_is_sound BLOCKING
warehouse milestone_details_is_sound BLOCKING
warehouse milestone_entities_is_sound BLOCKING
warehouse milestone_events_is_sound BLOCKING
warehouse milestone_sources_is_sound BLOCKING
warehouse milestone_versions_is_sound BLOCKING
warehouse milestones_is_sound BLOCKING
warehouse placeholders_are_few
warehouse quarantine_is_sound BLOCKING
warehouse statuses_are_grouped
warehouse sweeps_is_sound BLOCKING
warehouse volume_is_usual
"""

KINDS = {
    "pages": {"python", "parquet"},
    "records": {"python", "parquet"},
    "tables": {"python", "arrow", "pandera"},
    "warehouse": {"duckdb"},
    "published": {"duckdb", "parquet"},
}
"""By the first part of the key."""

GROUPS = {"pages": "raw", "records": "raw", "tables": "tables", "warehouse": "warehouse", "published": "published"}
"""By the first part of the key."""


def specs() -> list[dg.AssetSpec]:
    """In the order of their keys: Dagster's own changes from process to process."""
    return sorted(build_defs().resolve_all_asset_specs(), key=lambda spec: spec.key.to_user_string())


def test_assets_and_their_dependencies() -> None:
    lines = [
        " ".join([spec.key.to_user_string(), "<-", *sorted(dep.asset_key.to_user_string() for dep in spec.deps)])
        for spec in specs()
    ]
    assert sorted(lines) == ASSETS.strip().splitlines()


def test_checks_and_whether_they_block() -> None:
    graph = build_defs().resolve_asset_graph()
    lines = []
    for key in graph.asset_check_keys:
        blocks = graph.get_check_spec(key).blocking
        lines.append(f"{key.asset_key.to_user_string()} {key.name}{' BLOCKING' if blocks else ''}")
    assert sorted(lines) == CHECKS.strip().splitlines()


@pytest.mark.parametrize("spec", specs(), ids=lambda spec: spec.key.to_user_string())
def test_every_asset_is_described(spec: dg.AssetSpec) -> None:
    assert spec.group_name == GROUPS[spec.key.path[0]]
    assert list(spec.owners) == ["team:milestones"]
    is_of_endpoint = spec.key.path[-1] in {table.name for table in ENDPOINT_ASSET_TABLES}
    assert spec.code_version == CODE_VERSIONS["endpoints" if is_of_endpoint else spec.key.path[0]]
    source = spec.metadata["dagster/code_references"].code_references[0].file_path
    assert source.endswith(f"orchestration/{'endpoints' if is_of_endpoint else 'assets'}.py")
    assert spec.kinds == KINDS[spec.key.path[0]]
    assert spec.description
    assert isinstance(spec.metadata["dagster/column_schema"], dg.TableSchema)


def test_descriptions_of_assets_are_unique() -> None:
    """A list of assets cuts descriptions off: their first words tell a staged table from the published one."""
    for spec in specs():
        stage, *table = spec.key.path
        assert not table or (spec.description or "").startswith(
            {"tables": "Staged: ", "published": "Published: "}[stage]
        )
    assert len({spec.description for spec in specs()}) == len(specs())
    names = [spec.metadata["dagster/table_name"] for spec in specs() if "dagster/table_name" in spec.metadata]
    assert len(names) == len(set(names))


def test_jobs() -> None:
    jobs = {job.name for job in build_defs().resolve_all_job_defs() if not job.name.startswith("__")}
    assert jobs == {
        INGEST_JOB,
        "publish",
        "retention",
        "targets_refresh",
        "events_refresh",
        "series_refresh",
        "live_refresh",
    }


def test_sweep_schedules_are_off_by_default() -> None:
    lines = sorted(
        f"{schedule.name} {schedule.cron_schedule} {schedule.job_name} {schedule.default_status.value}"
        for schedule in build_defs().schedules or []
        if isinstance(schedule, dg.ScheduleDefinition)
    )
    assert lines == [
        "events_refresh 2-59/5 * * * * events_refresh STOPPED",
        "full_sweep 17 4 * * * ingest STOPPED",
        "incremental_sweep */5 * * * * ingest STOPPED",
        "live_refresh * * * * * live_refresh STOPPED",
        "retention 37 * * * * retention RUNNING",
        "series_refresh 41 3 * * * series_refresh STOPPED",
        "targets_refresh 9-59/15 * * * * targets_refresh STOPPED",
    ]


def test_jobs_run_in_one_process() -> None:
    assert build_defs().resolve_job_def(INGEST_JOB).executor_def.name == "in_process"


def test_a_resource_can_be_replaced() -> None:
    mine = NullProgress()
    resources = build_defs(progress=mine).resources or {}
    assert resources["progress"] is mine
    assert (build_defs().resources or {})["progress"] is not mine
    assert {"stages", "kalshi", "progress"} <= resources.keys()


def test_dagster_loads_the_built_definitions() -> None:
    assert {spec.key for spec in defs().resolve_all_asset_specs()} == {spec.key for spec in specs()}
    dg.Definitions.validate_loadable(defs())
