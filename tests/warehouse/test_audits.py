"""Every audit passes on a sound warehouse and is seen to fail on a broken one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.warehouse.audits import (
    NEWEST_ROWS,
    Audit,
    audits,
    check_new_rows,
    check_typed_tables,
    limit_to_touched,
    run,
)
from pipelines.warehouse.database import open_warehouse
from pipelines.wording import counted
from schemas.sql import quote
from schemas.table import Table
from schemas.tables import MILESTONE_TABLES
from tests.support import milestone, serving_shells

TABLES = {table.name: table for table in MILESTONE_TABLES}
ALL_AUDITS = {audit.name: audit for audit in audits()}

Breaks = Callable[[duckdb.DuckDBPyConnection, Audit], str | None]
"""Corrupts the warehouse so that the audit must fail; gives the offence it has to name, None for any."""


def twice(connection: duckdb.DuckDBPyConnection, audit: Audit) -> str:
    """Store one row of the table twice."""
    table = TABLES[audit.table]
    names = ", ".join(map(quote, table.stored_columns))
    connection.execute(
        f"INSERT INTO {quote(table.name)} ({names}) SELECT {names} FROM {quote(table.name)} "
        f"ORDER BY {quote(table.key[0])} LIMIT 1"
    )
    return first(connection, table, table.key[0])


def orphaned(connection: duckdb.DuckDBPyConnection, audit: Audit) -> str:
    """Take away what a row refers to."""
    (column, target), table = re.fullmatch(rf"{audit.table}_(\w+)_refers_to_(\w+)", audit.name).groups(), audit.table  # type: ignore[union-attr]
    (reference,) = (one for one in TABLES[table].references if (one.column, one.table) == (column, target))
    gone = first(connection, TABLES[table], column)
    connection.execute(f"DELETE FROM {quote(target)} WHERE {quote(reference.to)} = ?", [gone])
    return gone


def uncovered(connection: duckdb.DuckDBPyConnection, audit: Audit) -> str:
    """Take away every row that covers one of the other table's."""
    (reference,) = (one for one in TABLES[audit.table].references if audit.name.endswith(f"_covers_{one.table}"))
    left = first(connection, TABLES[audit.table], reference.column)
    connection.execute(f"DELETE FROM {quote(audit.table)} WHERE {quote(reference.column)} = ?", [left])
    return left


def two_hold(connection: duckdb.DuckDBPyConnection, audit: Audit) -> str:
    connection.execute(
        "INSERT INTO milestone_versions BY NAME SELECT * EXCLUDE (is_current) REPLACE (version + 1 AS version) "
        "FROM milestone_versions WHERE valid_to IS NULL ORDER BY milestone_id LIMIT 1"
    )
    return first(connection, TABLES["milestone_versions"], "milestone_id")


BY_NAME: dict[str, Breaks] = {
    "milestone_versions_one_holds": two_hold,
}
BY_PATTERN: dict[str, Breaks] = {r"_key_is_unique$": twice, r"_refers_to_\w+$": orphaned, r"_covers_\w+$": uncovered}
"""Add every new audit to one of these: each audit must be seen to fail."""


def breaker_of(name: str) -> Breaks:
    if name in BY_NAME:
        return BY_NAME[name]
    found = [breaks for pattern, breaks in BY_PATTERN.items() if re.search(pattern, name)]
    assert len(found) == 1, f"no bad example for the audit {name}: add one to BY_NAME"
    return found[0]


def first(connection: duckdb.DuckDBPyConnection, table: Table, column: str) -> str:
    query = f"SELECT {quote(column)} FROM {quote(table.name)} ORDER BY 1 LIMIT 1"
    value: str = connection.execute(query).fetchall()[0][0]
    return value


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with at least one row in every table, nothing wrong with it."""
    rows = [milestone(number) for number in range(1, 101)]
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("sound"), [*rows, milestone(101, title=7)])
        shell.sweep()
        shell.clock.forward(hours=1)
        shell.world.edit_title(rows[0]["id"], "changed")
        shell.sweep()
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute(
            "INSERT INTO archived_milestones SELECT milestone_id, now(), (SELECT max(sweep_id) FROM sweeps), NULL "
            "FROM milestones ORDER BY milestone_id LIMIT 1"
        )
    return shell.home.warehouse_file


@pytest.fixture(scope="module")
def connected(sound: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(sound) as connection:
        yield connection


@pytest.fixture
def warehouse(connected: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """The sound warehouse; what a test breaks is rolled back."""
    connected.execute("BEGIN")
    yield connected
    connected.execute("ROLLBACK")


@pytest.mark.slow
def test_the_sound_warehouse_has_rows_in_every_table(warehouse: duckdb.DuckDBPyConnection) -> None:
    empty = [name for name in TABLES if not warehouse.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchall()]
    assert empty == []


@pytest.mark.parametrize("audit", ALL_AUDITS.values(), ids=ALL_AUDITS)
def test_a_sound_warehouse_passes(warehouse: duckdb.DuckDBPyConnection, audit: Audit) -> None:
    finding = run(warehouse, audit)
    assert (finding.passed, finding.offences, finding.example) == (True, 0, None)
    assert str(finding) == audit.description


@pytest.mark.slow
@pytest.mark.parametrize("audit", ALL_AUDITS.values(), ids=ALL_AUDITS)
def test_every_audit_fails_on_a_broken_warehouse(warehouse: duckdb.DuckDBPyConnection, audit: Audit) -> None:
    offence = breaker_of(audit.name)(warehouse, audit)
    finding = run(warehouse, audit)
    assert not finding.passed
    assert finding.offences >= 1
    if offence is not None:
        assert finding.example == offence
    assert str(finding) == (
        f'{audit.table}: {counted(finding.offences, "row")} broke the rule "{audit.description}", '
        f"for example {finding.example}"
    )


def test_audit_names_are_unique_and_begin_with_the_table() -> None:
    assert len(ALL_AUDITS) == len(list(audits()))
    for audit in audits():
        assert audit.table in TABLES
        assert audit.name.startswith(f"{audit.table}_")


def test_every_declared_key_and_reference_is_audited() -> None:
    for table in TABLES.values():
        assert f"{table.name}_key_is_unique" in ALL_AUDITS
        for reference in table.references:
            assert f"{table.name}_{reference.column}_refers_to_{reference.table}" in ALL_AUDITS


BREAKS_A_RULE = {
    "milestone_versions": ("UPDATE milestone_versions SET version = 0", "version_is_positive"),
    "milestone_changes": ("UPDATE milestone_changes SET field = ''", "field_is_not_empty"),
    "archived_milestones": ("INSERT INTO archived_milestones SELECT * FROM archived_milestones", "key_is_unique"),
    "quarantine": ("UPDATE quarantine SET reason = ''", "reason_is_not_empty"),
    "details_fields": ("INSERT INTO details_fields SELECT * FROM details_fields LIMIT 1", "key_is_unique"),
    "sweeps": ("UPDATE sweeps SET mode = 'sideways'", "mode_is_known"),
}


@pytest.mark.parametrize("table", NEWEST_ROWS, ids=lambda table: table.name)
def test_new_rows_are_validated_by_pandera(warehouse: duckdb.DuckDBPyConnection, table: Table) -> None:
    (sound,) = check_new_rows(warehouse, table.name, None)
    assert sound.passed
    statement, rule = BREAKS_A_RULE[table.name]
    warehouse.execute(statement)
    (broken,) = check_new_rows(warehouse, table.name, None)
    assert not broken.passed
    assert broken.example == next(one.description for one in table.all_rules if one.name == rule)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO details_football_game SELECT * FROM details_football_game WHERE milestone_id = '{id}'",
        "DELETE FROM details_football_game WHERE milestone_id = '{id}'",
        "DELETE FROM milestones WHERE milestone_id = '{id}'",
        "UPDATE milestones SET type = 'hockey_game' WHERE milestone_id = '{id}'",
    ],
    ids=["duplicate row", "missing row", "row without milestone", "row of another type"],
)
def test_the_audit_of_typed_tables_finds_wrong_rows(warehouse: duckdb.DuckDBPyConnection, statement: str) -> None:
    assert str(check_typed_tables(warehouse)) == (
        "every milestone has one row in the typed table of its type, and in no other"
    )
    broken_id = milestone(7)["id"]
    warehouse.execute(statement.format(id=broken_id))
    finding = check_typed_tables(warehouse)
    assert (finding.offences, finding.example) == (1, f"{broken_id} of details_football_game")


def test_a_record_that_no_column_of_its_sweep_counts_is_found(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("UPDATE sweeps SET records = records + 1 WHERE status = 'loaded'")
    (finding,) = check_new_rows(warehouse, "sweeps", None)
    assert not finding.passed
    assert "records = new + changed + unchanged + superseded + quarantined" in str(finding.example)


@pytest.mark.parametrize(
    ("published", "expected"),
    [(0, True), (-1, False), (None, False)],
    ids=["the previous sweep", "the newest sweep", "nothing"],
)
def test_audits_are_limited_to_what_was_touched_since_the_publish(
    warehouse: duckdb.DuckDBPyConnection, published: int | None, expected: bool
) -> None:
    sweeps = [row[0] for row in warehouse.execute("SELECT sweep_id FROM sweeps ORDER BY sweep_id").fetchall()]
    assert limit_to_touched(warehouse, None if published is None else sweeps[published]) is expected
    if expected:
        touched = warehouse.execute("SELECT milestone_id FROM touched").fetchall()
        assert touched == [(milestone(1)["id"],)]


def test_after_a_full_sweep_every_row_is_audited(warehouse: duckdb.DuckDBPyConnection) -> None:
    (first_id,) = warehouse.execute("SELECT min(sweep_id) FROM sweeps").fetchall()[0]
    warehouse.execute("UPDATE sweeps SET mode = 'full'")
    assert limit_to_touched(warehouse, first_id) is False


def test_limited_audits_find_offences_of_touched_milestones_only(warehouse: duckdb.DuckDBPyConnection) -> None:
    (first_id,) = warehouse.execute("SELECT min(sweep_id) FROM sweeps").fetchall()[0]
    touched, untouched = milestone(1)["id"], milestone(7)["id"]
    for broken in (touched, untouched):
        warehouse.execute("DELETE FROM milestone_details WHERE milestone_id = ?", [broken])
        warehouse.execute("DELETE FROM details_football_game WHERE milestone_id = ?", [broken])
    covers = ALL_AUDITS["milestone_details_covers_milestones"]
    assert (run(warehouse, covers).offences, check_typed_tables(warehouse).offences) == (2, 2)
    assert limit_to_touched(warehouse, first_id)
    finding = run(warehouse, covers)
    assert (finding.offences, finding.example) == (1, touched)
    assert check_typed_tables(warehouse).example == f"{touched} of details_football_game"
