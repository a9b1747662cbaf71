"""Fields that Kalshi calls required and may drop all the same: NULL in the tables, counted, never a refused sweep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.publish.views import view_texts
from pipelines.reading.formats import as_json
from pipelines.reading.published import query_home
from pipelines.reading.status import status
from pipelines.warehouse.audits import audits, check_typed_tables, run
from pipelines.warehouse.database import open_warehouse
from pipelines.warehouse.monitors import MONITORS, evaluate
from schemas.api import EXPECTED_FIELDS
from schemas.tables import DERIVED_TABLES
from tests.support import Shell, Shells, contents, json_of, loaded_milestones, milestone, milestone_id

pytestmark = pytest.mark.slow

COLUMNS = ("category", "title", "notification_message", "details")
MISSING: dict[str, Any] = {"absent": ..., "null": None}


def bare(number: int, value: Any) -> dict[str, Any]:
    """A milestone of which every expected field is missing in one way."""
    return milestone(number, **dict.fromkeys(EXPECTED_FIELDS, value))


@pytest.fixture(scope="module")
def loaded(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Milestone 1 without the fields, 2 with null in them, 3 with details {} and 4 with everything."""
    rows = [bare(1, ...), bare(2, None), milestone(3, details={}), milestone(4)]
    shell = shells(tmp_path_factory.mktemp("missing"), rows)
    shell.land()
    _, decoded = shell.stages.stage_records()
    assert decoded.missing_fields == dict.fromkeys(EXPECTED_FIELDS, 2)
    _, summary = shell.stages.stage_tables()
    assert summary.refusal is None
    ledger = shell.stages.load()
    assert (ledger.records, ledger.new, ledger.quarantined) == (4, 4, 0)
    shell.stages.publish()
    return shell


@pytest.mark.parametrize("number", [1, 2], ids=MISSING)
def test_columns_of_missing_fields_are_null(loaded: Shell, number: int) -> None:
    row = loaded_milestones(loaded.home)[milestone_id(number)]
    assert [row[name] for name in (*COLUMNS, "category_group", "status", "main_event_ticker")] == [None] * 7
    assert (row["type"], row["is_simulated"]) == ("football_game", False)


def test_the_log_keeps_what_came(loaded: Shell) -> None:
    records = loaded.rows("SELECT record FROM milestone_versions ORDER BY milestone_id")
    assert [json_of(text) for (text,) in records] == [
        json.loads(json.dumps(row)) for row in (bare(1, ...), bare(2, None), milestone(3, details={}), milestone(4))
    ]
    assert loaded.value("SELECT count(DISTINCT content_hash) FROM milestone_versions") == 4


def test_every_milestone_has_a_leaf_and_a_row_in_its_typed_table(loaded: Shell) -> None:
    of_three = f"milestone_id <> '{milestone_id(4)}'"
    leaves = loaded.rows(f"SELECT path, kind, value FROM milestone_details WHERE {of_three} ORDER BY milestone_id")
    assert leaves == [("", "null", None), ("", "null", None), ("", "empty_object", None)]
    assert (
        loaded.rows(f"SELECT COLUMNS(* EXCLUDE milestone_id) FROM details_football_game WHERE {of_three}")
        == [(None, None, None)] * 3
    )
    assert loaded.value("SELECT count(*) FROM milestone_events") == 4


def test_the_audit_holds_and_the_watches_answer(loaded: Shell) -> None:
    with open_warehouse(loaded.home.warehouse_file) as connection:
        findings = [*(run(connection, audit) for audit in audits()), check_typed_tables(connection)]
        assert [str(finding) for finding in findings if not finding.passed] == []
        assert [evaluate(connection, watch).figures for watch in MONITORS]


def test_rebuilding_changes_nothing(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [bare(1, ...), bare(2, None), milestone(3)])
    shell.sweep()
    names = [table.name for table in DERIVED_TABLES]
    before = contents(shell.home.warehouse_file, tables=names)
    shell.stages.rebuild()
    assert contents(shell.home.warehouse_file, tables=names) == before


@pytest.mark.parametrize("view", sorted({*view_texts()} - {"milestones_as_of", "milestones_starting_within"}))
def test_every_view_answers(loaded: Shell, view: str) -> None:
    rows = query_home(loaded.home, f"SELECT * FROM {view}").records
    if view == "upcoming_milestones":
        assert [row["title"] for row in rows] == [None, None, "Game 3", "Game 4"]
    if view == "coverage_daily":
        assert {row["category_group"]: row["milestones"] for row in rows} == {None: 2, "Sports": 2}
    if view == "data_quality":
        (missing,) = (row for row in rows if row["rule"] == "missing_field")
        assert (missing["milestones"], missing["example"]) == (2, milestone_id(1))
    if view == "data_quality_milestones":
        missing_in = [row["milestone_id"] for row in rows if row["rule"] == "missing_field"]
        assert missing_in == [milestone_id(1), milestone_id(2)]


def test_what_was_believed_is_told_of_milestones_without_fields(shells: Shells, tmp_path: Path) -> None:
    first = shells(tmp_path, [bare(1, ...), bare(2, None)])
    first.sweep()
    at = first.clock()
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    shell.clock.forward(hours=1)
    shell.sweep(mode="full")
    shell.stages.publish()
    # One part of the answer is read out of the log, the other out of the table.
    for time, expected in ((at, (None, None, None)), (shell.clock(), ("Sports", "Game 1", "scheduled"))):
        query = f"SELECT category, title, status, details FROM milestones_as_of('{time.isoformat()}')"
        rows = query_home(shell.home, query).rows
        assert len(rows) == 2
        assert rows[0][:3] == expected
        assert (rows[0][3] is None) == (expected[0] is None)


def test_fields_that_come_and_go_are_changes(shells: Shells, tmp_path: Path) -> None:
    shells(tmp_path, [milestone(1)]).sweep(mode="full")
    without = shells(tmp_path, [bare(1, ...)])
    assert without.sweep(mode="full").changed == 1
    changes = dict(without.rows("SELECT DISTINCT ON (field) field, new FROM milestone_changes ORDER BY position"))
    assert changes == dict.fromkeys(
        (
            *("category", "details.home_team_id", "details.season.week", "details.status", "notification_message"),
            *("primary_event_tickers", "related_event_tickers", "title"),
        )
    )
    # Null instead of absent is another content, in which no field differs.
    null = shells(tmp_path, [bare(1, None)])
    assert null.sweep(mode="full").changed == 1
    assert null.value("SELECT count(*) FROM milestone_changes WHERE version = 3") == 0


@pytest.mark.parametrize("value", MISSING.values(), ids=MISSING)
@pytest.mark.parametrize("field", EXPECTED_FIELDS)
def test_a_field_missing_from_every_record_refuses_no_sweep(
    field: str, value: Any, shells: Shells, tmp_path: Path
) -> None:
    shell = shells(tmp_path, [milestone(number, **{field: value}) for number in range(3)])
    assert (shell.sweep().new, shell.value("SELECT count(*) FROM quarantine")) == (3, 0)
    column = {"primary_event_tickers": "is_primary", "related_event_tickers": "is_related"}.get(field)
    counted = f"milestone_events WHERE {column}" if column else f"milestones WHERE {field} IS NOT NULL"
    assert shell.value(f"SELECT count(*) FROM {counted}") == 0


def test_a_field_of_another_type_is_refused_as_ever(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1, title=7), milestone(2, details=[]), milestone(3, notification_message=True)])
    shell.land()
    shell.stages.stage_records()
    _, summary = shell.stages.stage_tables()
    assert summary.quarantined == 3
    assert summary.refusal is not None


def test_the_status_counts_them(loaded: Shell) -> None:
    found = status(loaded.home)
    assert found.missing == dict.fromkeys(COLUMNS, 2)


def test_the_summary_has_a_name_for_no_category(loaded: Shell) -> None:
    summary = json.loads(loaded.home.published_summary.read_bytes())
    assert summary["by_category_group"] == {"Sports": 2, "no category": 2}


def test_null_details_are_drift_where_a_type_had_some(shells: Shells, tmp_path: Path) -> None:
    shells(tmp_path, [milestone(1)]).sweep(mode="full")
    shell = shells(tmp_path, [milestone(1), milestone(2, details=None)])
    shell.land(mode="full")
    shell.stages.stage_records()
    _, summary = shell.stages.stage_tables()
    assert summary.drift == ["football_game: details is null"]


def test_answers_with_nulls_are_printed(loaded: Shell) -> None:
    assert '"title": null' in as_json(query_home(loaded.home, "SELECT * FROM milestones").records)
