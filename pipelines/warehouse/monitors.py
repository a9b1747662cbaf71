"""Monitors: stale data, unusual volume, many placeholders, ungrouped categories and statuses.

They warn and never stop a publish; the audits do that. Each is one query that returns whether the figures are usual,
and the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

FRESH_WITHIN_HOURS = 24
USUAL_VOLUME_SHARE = 0.2
PLACEHOLDER_SHARE = 0.01
UNKNOWN_STATUS_SHARE = 0.05


@dataclass(frozen=True)
class Monitor:
    """`query` returns one row: whether the figures are as usual, and the figures as one line of text."""

    name: str
    description: str
    query: str


@dataclass(frozen=True)
class MonitorResult:
    """The outcome of a monitor."""

    monitor: Monitor
    passed: bool
    figures: str


MONITORS = (
    Monitor(
        "data_is_fresh",
        f"The newest update is at most {FRESH_WITHIN_HOURS} hours old, by the times in the data, not of the runs. "
        "Simulated and vanished milestones, and updates in the future, do not count.",
        f"""WITH updates AS (
                SELECT last_updated_ts, last_updated_ts > now() OR has_future_update AS is_future FROM milestones
                WHERE NOT is_simulated AND vanished_at IS NULL
            )
            SELECT coalesce(max(last_updated_ts) FILTER (NOT is_future) > now() - INTERVAL {FRESH_WITHIN_HOURS} HOUR,
                            false),
                   'newest update ' || coalesce(CAST(max(last_updated_ts) FILTER (NOT is_future) AS VARCHAR), 'none')
                   || ', ' || count(*) FILTER (is_future) || ' updated in the future'
            FROM updates""",  # noqa: S608 - constants of ours
    ),
    Monitor(
        "volume_is_usual",
        f"The records of the last full sweep are within {USUAL_VOLUME_SHARE:.0%} of the median of the previous five.",
        f"""WITH full_sweeps AS (
                SELECT records, row_number() OVER (ORDER BY sweep_id DESC) AS age FROM sweeps
                WHERE mode = 'full' AND status = 'loaded' AND is_complete
            ), usual AS (SELECT median(records) AS records FROM full_sweeps WHERE age BETWEEN 2 AND 6),
            newest AS (SELECT records FROM full_sweeps WHERE age = 1)
            SELECT coalesce(abs(newest.records - usual.records) <= {USUAL_VOLUME_SHARE} * usual.records, true),
                   'last full sweep ' || coalesce(CAST(newest.records AS VARCHAR), 'none')
                   || ', usually ' || coalesce(CAST(usual.records AS VARCHAR), 'unknown')
            FROM usual LEFT JOIN newest ON true""",  # noqa: S608 - constants of ours
    ),
    Monitor(
        "placeholders_are_few",
        f"At most {PLACEHOLDER_SHARE:.0%} of the milestones have placeholder dates.",
        f"""SELECT count(*) FILTER (has_placeholder_dates) <= {PLACEHOLDER_SHARE} * count(*),
                   count(*) FILTER (has_placeholder_dates) || ' of ' || count(*) || ' have placeholder dates, '
                   || count(*) FILTER (category <> category_group) || ' a category with a synonym'
            FROM milestones""",  # noqa: S608 - constants of ours
    ),
    Monitor(
        "categories_are_grouped",
        "No two category groups differ only by case or by '&' for 'and'; if two do, add one to category_groups.csv.",
        """WITH spelled AS (
                SELECT DISTINCT category_group, replace(lower(category_group), '&', 'and') AS plain FROM milestones
            ), doubled AS (SELECT plain, string_agg(category_group, ' / ' ORDER BY category_group) AS groups
                           FROM spelled GROUP BY plain HAVING count(*) > 1)
            SELECT count(*) = 0, coalesce(string_agg(groups, ', ' ORDER BY groups), 'none') FROM doubled""",
    ),
    Monitor(
        "statuses_are_grouped",
        f"At most {UNKNOWN_STATUS_SHARE:.0%} of the statuses of milestones that started within a day or will start "
        "are missing from status_groups.csv.",
        f"""WITH near AS (
                SELECT status, status_group FROM milestones
                WHERE start_date > now() - INTERVAL 1 DAY AND status_group IS NOT NULL AND NOT is_simulated
            ), unknown AS (
                SELECT status, count(*) AS milestones FROM near WHERE status_group = 'unknown'
                GROUP BY status ORDER BY milestones DESC, status LIMIT 5
            )
            SELECT count(*) FILTER (status_group = 'unknown') <= {UNKNOWN_STATUS_SHARE} * count(*),
                   count(*) FILTER (status_group = 'unknown') || ' of ' || count(*) || ' have an unknown status: '
                   || coalesce((SELECT string_agg(status, ', ' ORDER BY milestones DESC, status) FROM unknown), 'none')
            FROM near""",  # noqa: S608 - constants of ours
    ),
)


def evaluate(connection: duckdb.DuckDBPyConnection, monitor: Monitor) -> MonitorResult:
    """Run the query of a monitor."""
    passed, figures = connection.execute(monitor.query).fetchall()[0]
    return MonitorResult(monitor, bool(passed), figures)
