"""The warehouse's checks in Dagster: one a table, every audit in one of them, what fails is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import dagster as dg
import pytest

from pipelines.orchestration.checks import AUDITS_BY_TABLE, warehouse_audit
from pipelines.orchestration.keys import WAREHOUSE_KEY
from pipelines.sweep.stages import Stages
from pipelines.warehouse.audits import audits
from pipelines.warehouse.database import open_warehouse
from tests.support import Shell, milestone, serving_shells

pytestmark = pytest.mark.slow

run_checks = cast("Callable[[Stages], Iterator[dg.AssetCheckResult]]", warehouse_audit)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("checked"), [milestone(1)])
        shell.sweep()
    return shell


def results(shell: Shell) -> dict[str | None, dg.AssetCheckResult]:
    return {result.check_name: result for result in run_checks(shell.stages)}


def test_every_audit_is_in_one_check() -> None:
    assert sorted(audit.name for of_table in AUDITS_BY_TABLE.values() for audit in of_table) == sorted(
        audit.name for audit in audits()
    )
    assert all(audit.table == table for table, of_table in AUDITS_BY_TABLE.items() for audit in of_table)


def test_a_sound_warehouse_passes_every_check(shell: Shell) -> None:
    found = results(shell)
    assert found.keys() == {f"{table}_is_sound" for table in AUDITS_BY_TABLE}
    for result in found.values():
        assert result.passed
        assert result.asset_key == WAREHOUSE_KEY
        assert result.description is None
        assert {value.value for value in result.metadata.values()} == {0}


def test_a_failed_check_is_named_and_blocks(shell: Shell, tmp_path: Path) -> None:
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute("INSERT INTO milestone_sources SELECT * FROM milestone_sources")
    found = results(shell)
    failed = found.pop("milestone_sources_is_sound")
    assert not failed.passed
    assert failed.severity is dg.AssetCheckSeverity.ERROR
    assert failed.description == (
        'milestone_sources: 1 row broke the rule "(milestone_id, provider) is unique", for example '
        "00000000-0000-4000-8000-000000000001"
    )
    assert failed.metadata["milestone_sources_key_is_unique"].value == 1
    assert all(result.passed for result in found.values())


def test_a_failed_check_fails_in_every_sweep_until_it_is_repaired(tmp_path: Path) -> None:
    """A poll touches other milestones than the one before: to ask of those alone would publish what had failed."""
    with serving_shells() as shells:
        shell = shells(tmp_path, map(milestone, range(1, 101)))
        shell.sweep()
        shell.stages.publish()
        for number in (1, 2):
            shell.clock.forward(hours=1)
            shell.world.edit_title(milestone(number)["id"], "changed")
            assert shell.sweep().mode == "incremental"
            if number == 1:
                with open_warehouse(shell.home.warehouse_file) as connection:
                    connection.execute(
                        "INSERT INTO milestone_sources SELECT * FROM milestone_sources WHERE milestone_id = ?",
                        [milestone(1)["id"]],
                    )
                    connection.execute(
                        "UPDATE milestone_versions SET version = 0 WHERE milestone_id = ? AND version = 2",
                        [milestone(1)["id"]],
                    )
                    connection.execute("DELETE FROM details_football_game WHERE milestone_id = ?", [milestone(1)["id"]])
            failed = {name for name, result in results(shell).items() if not result.passed}
            assert failed == {"milestone_sources_is_sound", "milestone_versions_is_sound", "details_fields_is_sound"}
