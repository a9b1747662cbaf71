"""The whole job through Dagster into a home of its own: what Dagster then knows, and what a failed run leaves."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from pipelines.cli.run_job import RunFailed, run_ingest, run_refresh
from pipelines.definitions import build_defs
from pipelines.errors import WarehouseBusy, WarehouseUnusable
from pipelines.kalshi.errors import BadBaseUrl, DeadlineExceeded
from pipelines.orchestration.keys import ENDPOINT_ASSET_TABLES
from pipelines.project_files import CHECKOUT
from pipelines.publish.manifest import Manifest, verify
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.storage.lock import writer_lock
from pipelines.sweep.progress_listener import NullProgress
from pipelines.warehouse.database import open_warehouse
from schemas.endpoints import ENDPOINTS, PUBLISHED_TABLES
from tests.support import (
    Shell,
    Shells,
    as_bytes,
    contents,
    milestone,
    milestone_id,
    rows_of,
    tree,
)

pytestmark = pytest.mark.slow

DECLARED = {table.name: table for table in PUBLISHED_TABLES}
SPECS = {spec.key.to_user_string(): spec for spec in build_defs().resolve_all_asset_specs()}
DEAD_URL = "http://127.0.0.1:9/trade-api/v2"


def point_at(monkeypatch: pytest.MonkeyPatch, home: Home, base_url: str) -> None:
    """The environment of a run. Dagster's variables too, so that what a run sets is set back after the test."""
    values = {
        "MILESTONES_HOME": str(home.root),
        "KALSHI_BASE_URL": base_url,
        "KALSHI_REQUESTS_PER_SECOND": "0",
        "DAGSTER_HOME": str(home.dagster),
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)


FRESH = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
ROWS = [
    *(milestone(number, last_updated_ts=FRESH) for number in range(1, 99)),
    # The only one that may be live.
    milestone(99, last_updated_ts=FRESH, start_date=FRESH, title="Oslo vs Graz"),
]


class Ran:
    """One good run of the job."""

    def __init__(self, shell: Shell) -> None:
        self.home = shell.home
        self.root_before = {path.name for path in CHECKOUT.iterdir()}
        self.run_id = run_ingest(shell.home, {"mode": "full"}, NullProgress()).run_id
        for endpoint in ENDPOINTS:
            assert run_refresh(shell.home, endpoint)
        self.root_after = {path.name for path in CHECKOUT.iterdir()}
        with dg.DagsterInstance.get() as instance:
            run = instance.get_run_by_id(self.run_id)
            assert run is not None
            self.status = run.status
            self.metadata = {
                name: event.asset_materialization.metadata
                for name, spec in SPECS.items()
                if (event := instance.get_latest_materialization_event(spec.key)) and event.asset_materialization
            }
            self.checks = [
                entry.dagster_event.asset_check_evaluation_data
                for one in instance.get_runs()
                for entry in instance.all_logs(one.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
                if entry.dagster_event
            ]


@pytest.fixture(scope="module")
def ran(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        shell = shells(tmp_path_factory.mktemp("ran"), [*ROWS, milestone(100, title=7)])
        point_at(monkeypatch, shell.home, shell.base_url)
        yield Ran(shell)


def test_the_run_succeeds_and_publishes(ran: Ran) -> None:
    assert ran.status is dg.DagsterRunStatus.SUCCESS
    assert verify(ran.home).differences == []
    assert rows_of(ran.home.published_duckdb, "SELECT count(*) FROM milestones") == [(99,)]
    assert rows_of(ran.home.published_duckdb, "SELECT mode, status, quarantined FROM sweeps") == [("full", "loaded", 1)]


def test_nothing_is_written_outside_the_home(ran: Ran) -> None:
    assert ran.root_after - ran.root_before <= {".hypothesis", ".pytest_cache", ".ruff_cache", ".mypy_cache"}
    assert not ran.root_after & {"storage", "history", "schedules"}
    assert sorted(path.name for path in ran.home.root.iterdir()) == ["dagster", "published", "raw", "warehouse"]
    assert (ran.home.dagster / "history" / "runs.db").is_file()


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_asset_reports_rows_location_and_columns(ran: Ran, name: str) -> None:
    metadata, spec = ran.metadata[name], SPECS[name]
    assert isinstance(metadata["dagster/row_count"].value, int)
    assert str(metadata["dagster/uri"].value).startswith(ran.home.root.as_uri())
    columns = {column.name for column in spec.metadata["dagster/column_schema"].columns}
    if name != "pages":  # from the API, which is no asset
        lineage = metadata["dagster/column_lineage"].value
        assert isinstance(lineage, dg.TableColumnLineage)
        assert lineage.deps_by_column.keys() == columns
        upstream = {dep.asset_key for deps in lineage.deps_by_column.values() for dep in deps}
        assert upstream <= {one.key for one in SPECS.values()}
    if spec.key.path[0] in ("tables", "published"):
        assert columns == {column.name for column in DECLARED[spec.key.path[1]].columns}


def test_reported_row_counts_are_those_of_the_tables(ran: Ran) -> None:
    published = Manifest.read(ran.home.latest_snapshot)
    for file in published.files:
        if f"published/{file.table}" in SPECS:
            assert ran.metadata[f"published/{file.table}"]["dagster/row_count"].value == file.rows
    assert ran.metadata["records"]["dagster/row_count"].value == 99
    assert ran.metadata["records"]["quarantined"].value == 1
    assert ran.metadata["warehouse"]["new"].value == 99
    assert ran.metadata["pages"]["mode"].value == "full"


def test_the_warehouse_reports_all_versions_not_only_new_ones(
    shells: Shells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shells(tmp_path, ROWS[:2])
    shell.sweep(mode="full")
    shell.world.load(as_bytes(ROWS[2:3]))
    point_at(monkeypatch, shell.home, shell.base_url)
    run_ingest(shell.home, {"mode": "full"}, NullProgress())
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey("warehouse"))
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert (metadata["new"].value, metadata["dagster/row_count"].value) == (1, 3)


def data_versions() -> dict[str, str | None]:
    """The data version of the newest materialization of every asset of milestones, by key."""
    of_endpoints = {f"published/{table.name}" for table in ENDPOINT_ASSET_TABLES}
    with dg.DagsterInstance.get() as instance:
        events = {
            name: instance.get_latest_materialization_event(spec.key)
            for name, spec in SPECS.items()
            if name not in of_endpoints
        }
    versions = {}
    for name, event in events.items():
        assert event is not None
        assert event.asset_materialization is not None
        versions[name] = (event.asset_materialization.tags or {}).get("dagster/data_version")
    return versions


def test_data_versions_follow_sweeps_and_published_files(
    shells: Shells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = shells(tmp_path, ROWS)
    point_at(monkeypatch, shell.home, shell.base_url)

    def versions_after(mode: str) -> dict[str, str | None]:
        run_ingest(shell.home, {"mode": mode}, NullProgress())
        return data_versions()

    first = versions_after("full")
    assert None not in first.values()
    newest = Landing.newest(shell.home.raw)
    assert newest is not None
    for name in ("pages", "records", "tables/milestones", "warehouse"):
        assert first[name] == newest.sweep.sweep_id
    unchanged = versions_after("incremental")
    changed_by_a_poll_without_news = {name for name in first if first[name] != unchanged[name]}
    assert changed_by_a_poll_without_news == {
        "pages",
        "records",
        *(name for name in first if name.startswith("tables/")),
        "warehouse",
        "published/sweeps",
    }
    shell.world.load(as_bytes([milestone(1_000, last_updated_ts=FRESH, details={})]))
    second = versions_after("full")
    assert second["pages"] != unchanged["pages"]
    assert second["published/milestones"] != unchanged["published/milestones"]
    # The new milestone names no entity.
    assert second["published/milestone_entities"] == unchanged["published/milestone_entities"]


def test_the_warehouse_lists_its_typed_tables_with_their_columns(ran: Ran) -> None:
    (table,) = ran.metadata["warehouse"]["typed_tables"].records  # type: ignore[attr-defined]
    assert table.data["table"] == "details_football_game"
    columns = dict(column.rsplit(" ", 1) for column in str(table.data["columns"]).split(", "))
    found = rows_of(
        ran.home.published_duckdb,
        "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'details_football_game'",
    )
    assert columns == {name: kind for name, kind in found if name != "milestone_id"}


def test_every_check_is_evaluated_and_passes(ran: Ran) -> None:
    specs = {(key.asset_key.to_user_string(), key.name) for key in build_defs().resolve_asset_graph().asset_check_keys}
    assert {(check.asset_key.to_user_string(), check.check_name) for check in ran.checks} == specs
    assert [check.check_name for check in ran.checks if not check.passed] == []


def test_warnings_do_not_stop_the_publish(shells: Shells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = shells(tmp_path / "home", ROWS)
    shell.sweep(mode="full")
    shell.world.load(
        as_bytes(
            [
                milestone(100, primary_event_tickers=[""]),
                milestone(101, details={"status": 7, "new": True}),
                milestone(102, title=..., notification_message=None),
            ]
        )
    )
    point_at(monkeypatch, shell.home, shell.base_url)
    ran = Ran(shell)
    failed = {
        (check.asset_key.to_user_string(), check.check_name): (check.severity.name, check.description)
        for check in ran.checks
        if not check.passed and check.asset_key.path[0] in ("records", "tables")
    }
    assert failed == {
        ("records", "expected_fields_are_there"): (
            "WARN",
            "notification_message is missing from 1 of 102; title is missing from 1 of 102",
        ),
        ("tables/milestone_events", "rows_keep_rules"): (
            "WARN",
            "1 record refused by milestone_events.event_ticker_is_not_empty",
        ),
        ("tables/milestone_details", "details_keep_their_shape"): (
            "WARN",
            "football_game: new is boolean; football_game: status is integer",
        ),
    }
    assert (ran.status, Manifest.read(ran.home.latest_snapshot).sweep_id) == (
        dg.DagsterRunStatus.SUCCESS,
        shell.value("SELECT max(sweep_id) FROM sweeps"),
    )


# Failed runs


@pytest.fixture
def shell(shells: Shells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A home with one milestone loaded and published, the environment set to run the job over it."""
    shell = shells(tmp_path / "home", [milestone(1)])
    shell.sweep()
    shell.stages.publish()
    point_at(monkeypatch, shell.home, shell.base_url)
    return shell


def test_a_failed_audit_stops_the_publish(shell: Shell) -> None:
    published = tree(shell.home.published)
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute("INSERT INTO milestone_sources SELECT * FROM milestone_sources")
    with pytest.raises(RunFailed) as caught:
        run_ingest(shell.home, {"mode": "full"}, NullProgress())
    assert "1 blocking asset check failed with ERROR severity" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tree(shell.home.published) == published
    assert rows_of(shell.home.warehouse_file, "SELECT count(*) FROM sweeps WHERE status = 'loaded'") == [(2,)]


def test_the_error_names_the_failed_audit(shell: Shell) -> None:
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute("INSERT INTO milestone_sources SELECT * FROM milestone_sources")
    with pytest.raises(RunFailed, match="milestone_sources"):
        run_ingest(shell.home, {"mode": "full"}, NullProgress())


def test_too_many_refused_records_fail_with_the_reason(shells: Shells, shell: Shell) -> None:
    published = tree(shell.home.published)
    before = contents(shell.home.warehouse_file, tables=["milestones", "milestone_versions", "milestone_details"])
    shells(shell.home.root, [milestone(1), milestone(2, title=7)])
    with pytest.raises(RunFailed) as caught:
        run_ingest(shell.home, {"mode": "full"}, NullProgress())
    assert str(caught.value).startswith("1 of 2 records were refused (50.0%, at most 1% may be): the API's answers")
    assert "\n" not in str(caught.value)
    assert tree(shell.home.published) == published
    after = contents(shell.home.warehouse_file, tables=["milestones", "milestone_versions", "milestone_details"])
    assert after == before
    assert rows_of(shell.home.warehouse_file, "SELECT status FROM sweeps ORDER BY sweep_id") == [
        ("loaded",),
        ("failed",),
    ]
    assert rows_of(shell.home.warehouse_file, "SELECT milestone_id FROM quarantine") == [(milestone_id(2),)]


def test_an_unreachable_api_fails_the_run(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    published = tree(shell.home.published)
    monkeypatch.setenv("KALSHI_BASE_URL", DEAD_URL)
    monkeypatch.setenv("KALSHI_DEADLINE_SECONDS", "0.5")
    with pytest.raises(DeadlineExceeded, match=r"127\.0\.0\.1:9/trade-api/v2/milestones within 0\.5 s"):
        run_ingest(shell.home, {}, NullProgress())
    assert tree(shell.home.published) == published


def test_a_run_fails_while_another_holds_the_home(shell: Shell) -> None:
    raw = tree(shell.home.raw)
    with writer_lock(shell.home, purpose="the other run"), pytest.raises(WarehouseBusy, match=r"\(the other run\)"):
        run_ingest(shell.home, {}, NullProgress())
    assert tree(shell.home.raw) == raw


def test_a_failure_is_not_recorded_for_the_previous_run(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest landed sweep failed; what stops this run has nothing to do with it."""
    landing = Landing.newest(shell.home.raw)
    assert landing is not None
    landing.sweep.state, landing.sweep.error = "failed", "an old story"
    landing.save()
    shell.home.warehouse_file.write_bytes(b"no DuckDB file")
    with pytest.raises(WarehouseUnusable, match="cannot open"):
        run_ingest(shell.home, {}, NullProgress())


@pytest.fixture
def seconds_to_live() -> Iterator[None]:
    """Ends a test that would run for ever."""

    def give_up(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    # Again and again: the first one may be caught by the run.
    signal.setitimer(signal.ITIMER_REAL, 10, 1)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_an_unexpected_failure_is_not_recorded_for_the_previous_run(shell: Shell, seconds_to_live: None) -> None:
    landing = Landing.newest(shell.home.raw)
    assert landing is not None
    landing.sweep.state, landing.sweep.error = "failed", "an old story"
    landing.save()
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute("DROP TABLE sweeps")
    with pytest.raises(RunFailed) as caught:
        run_ingest(shell.home, {}, NullProgress())
    assert "an old story" not in str(caught.value)


def test_the_configured_home_is_used(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Home(tmp_path / "given")
    monkeypatch.setenv("KALSHI_BASE_URL", "ftp://nowhere")
    with pytest.raises(BadBaseUrl):
        run_ingest(given, {}, NullProgress())
    assert given.raw.is_dir()


# The run's configuration
