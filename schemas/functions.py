"""SQL functions of the published file.

Most compute columns of `milestones` for any stored version: they are generated from the same data as the columns, and
tests check that both give the same results. The others order and join the names of participants.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.leagues import LEAGUE_KEYS, SIMULATED_TICKER_IN_JSON
from schemas.placeholders import PLACEHOLDER_FROM, PLACEHOLDER_UNTIL
from schemas.sql import literal, quote
from schemas.statuses import SEPARATORS, STATUS_GROUPS, UNKNOWN, group_pattern, tentative_pattern


@dataclass(frozen=True)
class Function:
    """A scalar macro of one parameter; `body` is its SQL expression."""

    name: str
    parameter: str
    description: str
    body: str

    @property
    def signature(self) -> str:
        """The call, with the name of the parameter."""
        return f"{self.name}({self.parameter})"

    @property
    def statements(self) -> Iterator[str]:
        """The statements that create or replace the macro and set its comment."""
        yield f"CREATE OR REPLACE MACRO {quote(self.name)}({self.parameter}) AS {self.body}"
        yield f"COMMENT ON MACRO {quote(self.name)} IS {literal(self.description)}"


_FOLDED = f"lower(trim(regexp_replace(status, {literal(SEPARATORS)}, ' ', 'g')))"


def _status_group() -> str:
    groups = " ".join(
        f"WHEN regexp_full_match({_FOLDED}, {literal(group_pattern(group))}, 's') THEN {literal(group)}"
        for group in STATUS_GROUPS[:-1]
    )
    return f"CASE WHEN coalesce({_FOLDED}, '') = '' THEN NULL {groups} ELSE {literal(UNKNOWN)} END"


def _league() -> str:
    texts = (
        f"CASE WHEN json_type(details, '$.{key}') = 'VARCHAR' THEN nullif(details ->> '$.{key}', '') END"
        for key in LEAGUE_KEYS
    )
    return f"coalesce({', '.join(texts)})"


_SIDES = ("home", "away", "first", "second")
_SOLE_ROLES = ("competitor", "candidate")
_NAMES_SHOWN = 4


def _role_rank() -> str:
    ranks = {role: place for place, role in enumerate(_SIDES)}
    ranks |= {role: 10 * place for place, role in enumerate(_SOLE_ROLES, start=1)}
    whens = " ".join(f"WHEN {literal(role)} THEN {rank}" for role, rank in ranks.items())
    # Where two keys would give home, their roles are home_team and home_pitcher.
    return f"CASE split_part(role, '_', 1) {whens} ELSE {10 * (len(_SOLE_ROLES) + 1)} END"


def _names_in_short() -> str:
    return (
        "CASE WHEN len(names) = 2 THEN array_to_string(names, ' vs ') "
        f"WHEN len(names) > {_NAMES_SHOWN} THEN array_to_string(names[1:{_NAMES_SHOWN}], ', ') || ', and ' || "
        f"CAST(len(names) - {_NAMES_SHOWN} AS VARCHAR) || ' more' "
        "ELSE nullif(array_to_string(names, ', '), '') END"
    )


FUNCTIONS = (
    Function(
        "status_group_of",
        "status",
        "The group of a status as sent: scheduled, live, ended, off or unknown; NULL where there is no status.",
        _status_group(),
    ),
    Function(
        "status_leaves_start_open",
        "status",
        "Whether a status says that the listed start is not settled, as time-tbd does.",
        f"coalesce(regexp_full_match({_FOLDED}, {literal(tentative_pattern())}, 's'), false)",
    ),
    Function(
        "is_placeholder",
        "moment",
        "Whether a time is a placeholder: on 2000-01-01 or 2000-01-02 in UTC; false for NULL.",
        f"coalesce(moment >= make_timestamptz({PLACEHOLDER_FROM}) "
        f"AND moment < make_timestamptz({PLACEHOLDER_UNTIL}), false)",
    ),
    Function(
        "league_of",
        "details",
        f"The first of {', '.join(LEAGUE_KEYS)} in details (JSON) that is text and not empty; NULL if none is.",
        _league(),
    ),
    Function(
        "names_simulated_game",
        "tickers",
        "Whether a ticker, or one of an array of them, as canonical JSON is that of a simulated game.",
        f"coalesce(regexp_matches(CAST(tickers AS VARCHAR), {literal(SIMULATED_TICKER_IN_JSON)}), false)",
    ),
    Function(
        "role_rank",
        "role",
        "The order of roles of participants: 0 to 3 for the sides home, away, first and second, 10 for competitor, 20 "
        "for candidate, 30 for all others. Only the first word of a role counts.",
        _role_rank(),
    ),
    Function(
        "names_in_short",
        "names",
        f"A list of names as one text: two joined by vs, others by commas; of more than {_NAMES_SHOWN} the first "
        f"{_NAMES_SHOWN} and the number of the others. NULL for an empty list.",
        _names_in_short(),
    ),
)
"""The functions of the published DuckDB file."""
