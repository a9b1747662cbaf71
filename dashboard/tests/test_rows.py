"""Texts shown for values that Kalshi omits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from board.queries import changes, coverage
from board.queries.changes import Period
from board.queries.coverage import Scope
from board.rows import NO_CATEGORY, fetch, fetch_one

DAY = date(2026, 11, 23)


@dataclass(frozen=True)
class Named:
    title: str
    category_group: str
    league: str | None


def test_only_missing_titles_and_categories_are_replaced_by_a_text() -> None:
    with duckdb.connect() as connection:
        query = "SELECT NULL AS league, 'a' AS title, NULL AS category_group UNION ALL SELECT 'b', NULL, '' ORDER BY 1"
        assert fetch(connection, Named, query) == (Named("No title", "", "b"), Named("a", NO_CATEGORY, None))
        assert fetch_one(connection, Named, f"{query} LIMIT 1") == Named("No title", "", "b")


def test_milestones_without_a_category_can_be_chosen() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE coverage_daily AS SELECT $day AS day, unnest([NULL, 'Sports']) AS category_group, "
            "'t' AS type, 1 AS milestones, 0 AS with_end, 0 AS with_source, "
            "0 AS with_main_event_ticker, 0 AS with_events",
            {"day": DAY},
        )
        found = coverage.by_type(connection, Scope(DAY, DAY, groups=(NO_CATEGORY,)))
        assert [(one.category_group, one.milestones) for one in found] == [(NO_CATEGORY, 1)]
        assert len(coverage.by_type(connection, Scope(DAY, DAY))) == 2


def test_changes_of_milestones_without_a_category_can_be_chosen() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE milestones AS SELECT unnest(['a', 'b']) AS milestone_id, 't' AS type, "
            "NULL::VARCHAR AS title, unnest([NULL, 'Sports']) AS category_group, false AS is_simulated"
        )
        connection.execute(
            "CREATE TABLE milestone_changes AS SELECT milestone_id, 2 AS version, 1 AS position, 'title' AS field, "
            "'Game' AS old, NULL::VARCHAR AS new, $now::TIMESTAMPTZ AS seen_at FROM milestones",
            {"now": datetime(2026, 11, 23, tzinfo=UTC)},
        )
        period = Period(datetime(2026, 1, 1, tzinfo=UTC), groups=(NO_CATEGORY,))
        (found,) = changes.latest(connection, period, 10)
        assert (found.milestone_id, found.title, found.category_group) == ("a", "No title", NO_CATEGORY)
