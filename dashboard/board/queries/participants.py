"""Who takes part in milestones: the names of structured targets, and the ids of those whose name is not known."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from board.rows import fetch

LISTED_MAX = 4
"""A golf tournament has more than a hundred participants; a list of them names the first ones."""

NAME = "coalesce(name, short_name, abbreviation)"
SEARCHED_NAMES = "concat_ws(' ', name, short_name, abbreviation)"
# The home side first, as in a score.
_ORDER = "role <> 'home', role, position"


@dataclass(frozen=True)
class Participant:
    """A participant of a milestone. `name` is its id where the name is not known; `note` tells why."""

    role: str
    name: str
    abbreviation: str | None
    type: str | None
    note: str | None
    entity_id: str


@dataclass(frozen=True)
class Listed:
    """The participants of a milestone in one line."""

    milestone_id: str
    participants: str


def listed_for(milestones: str) -> str:
    """A query of one row for each milestone in a table or CTE (trusted SQL) that has participants.

    `participants` is one line of names; `participant_names` has all spellings of all names, for searching. While no
    structured target is known, there are no rows: a list of ids would not help.
    """
    return f"""
        SELECT milestone_id,
               array_to_string(names[:{LISTED_MAX}], ', ') || CASE WHEN len(names) > {LISTED_MAX}
                   THEN ' and ' || (len(names) - {LISTED_MAX}) || ' more' ELSE '' END AS participants,
               participant_names
        FROM (
            SELECT milestone_id, string_agg({SEARCHED_NAMES}, ' ') AS participant_names,
                   list(coalesce({NAME}, 'unknown (' || entity_id[:8] || '…)') ORDER BY {_ORDER}) AS names
            FROM milestone_entities SEMI JOIN {milestones} USING (milestone_id)
                 LEFT JOIN structured_targets ON target_id = entity_id
            WHERE (SELECT count(*) > 0 FROM structured_targets)
            GROUP BY milestone_id
        )
    """  # noqa: S608 - of constants


LISTED = f"""
    WITH wanted AS (SELECT unnest($milestone_ids) AS milestone_id)
    SELECT milestone_id, participants FROM ({listed_for("wanted")})
"""  # noqa: S608 - of constants

OF_MILESTONE = f"""
    SELECT role, coalesce({NAME}, entity_id) AS name, abbreviation, type, entity_id,
           CASE WHEN key IS NOT NULL AND target_id IS NULL THEN 'unknown: Kalshi did not return it'
                WHEN target_id IS NULL THEN 'unknown: not fetched yet, or refused'
                WHEN {NAME} IS NULL THEN 'unknown: it has no name' END AS note
    FROM (SELECT * EXCLUDE (key) FROM milestone_entities WHERE milestone_id = $milestone_id)
         LEFT JOIN structured_targets ON target_id = entity_id
         LEFT JOIN (SELECT key FROM unknown_keys WHERE endpoint = 'targets') ON key = entity_id
    ORDER BY {_ORDER}
"""  # noqa: S608 - of constants


def of_milestone(connection: duckdb.DuckDBPyConnection, milestone_id: str) -> tuple[Participant, ...]:
    """Every participant of a milestone."""
    return fetch(connection, Participant, OF_MILESTONE, {"milestone_id": milestone_id})


def listed(connection: duckdb.DuckDBPyConnection, milestone_ids: tuple[str, ...]) -> tuple[Listed, ...]:
    """The participants of these milestones, without those that have none."""
    return fetch(connection, Listed, LISTED, {"milestone_ids": list(milestone_ids)})
