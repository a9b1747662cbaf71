"""A DuckDB error is explained in one line, with the names that exist."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from pipelines.publish.views import create_views
from pipelines.reading.query_errors import explain
from schemas.endpoints import PUBLISHED_TABLES


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        for table in PUBLISHED_TABLES:
            table.create(connection.execute)
        for name in ("details_football_game", "details_golf_match"):
            connection.execute(f"CREATE TABLE {name} (milestone_id VARCHAR, league VARCHAR, tier INTEGER)")
        connection.execute("CREATE TABLE schema_version (version INTEGER)")
        create_views(connection)
        yield connection


def message_of(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    with pytest.raises(duckdb.Error) as caught:
        connection.execute(query)
    text = explain(connection, caught.value)
    assert "\n" not in text
    return text


THERE_ARE = (
    "There are: archived_milestones, endpoint_quarantine, endpoint_sweeps, event_versions, events, live_data, "
    "milestone_changes, milestone_details, milestone_entities, milestone_events, milestone_sources, "
    "milestone_versions, milestones, quarantine, series, series_versions, structured_target_sources, "
    "structured_target_versions, structured_targets, sweeps, unknown_keys, details_fields, details_<type>, "
    "coverage_daily, data_quality, data_quality_milestones, endpoint_freshness, event_starts, freshness, "
    "live_milestones, live_status, milestone_participants, reschedules, shared_events, upcoming_milestones, "
    "usual_durations, milestones_as_of(), milestones_starting_within()"
)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("FROM nowhere", "there is no table or view nowhere."),
        ("FROM sweps", "there is no table or view sweps; did you mean sweeps?"),
        ("FROM coverage(1)", "there is no macro coverage; did you mean coverage_daily?"),
        ("FROM zzz(1)", "there is no macro zzz."),
        ('FROM "unknown key"', "there is no table or view unknown key; did you mean unknown_keys?"),
    ],
    ids=["unknown table", "similar table", "similar macro", "unknown macro", "a name with a space"],
)
def test_an_unknown_table_lists_all_tables(connection: duckdb.DuckDBPyConnection, query: str, message: str) -> None:
    assert message_of(connection, query) == f"{message} {THERE_ARE}"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT shft FROM reschedules", "there is no column shft here; did you mean shift (of reschedules)?"),
        (
            "SELECT m.titel FROM milestones AS m",
            (
                "there is no column titel here; did you mean title (of event_starts, events, live_milestones, "
                "milestones ...) or tier (of details_<type>) or field (of endpoint_quarantine, milestone_changes, "
                "milestone_details, quarantine)?"
            ),
        ),
        (
            "SELECT starts_in FROM milestones",
            "there is no column starts_in here; did you mean starts_in (of upcoming_milestones)?",
        ),
        (
            "SELECT xyzzy FROM milestones",
            "there is no column xyzzy: list the columns of a table with describe, as in describe milestones",
        ),
    ],
    ids=["similar", "with an alias", "of another view", "unknown"],
)
def test_an_unknown_column_suggests_similar_columns(
    connection: duckdb.DuckDBPyConnection, query: str, message: str
) -> None:
    assert message_of(connection, query) == message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", 'Parser Error: syntax error at or near "SELEC"'),
        ("SELECT CAST('x' AS INTEGER)", "Conversion Error: Could not convert string 'x' to INT32"),
        ("SELECT nothing_such(1)", "nothing_such does not exist"),
        ("FROM milestones_starting_within()", "milestones_starting_within(hours, include_simulated := false"),
        ("FROM milestones_starting_within('3')", "cast it to the type that the function needs ($hours::double)"),
        ("FROM milestones_as_of", "milestones_as_of is a macro: call it in a query, with its arguments in parentheses"),
    ],
    ids=["syntax", "value", "function", "parameters", "text for a number", "macro as a table"],
)
def test_other_errors_quote_duckdb(connection: duckdb.DuckDBPyConnection, query: str, message: str) -> None:
    text = message_of(connection, query)
    assert message in text
    assert "LINE 1" not in text
