"""Statuses: groups the spellings of `details.status`, by the table status_groups.csv.

Kalshi passes on the texts of its providers: Sportradar's words for most sports, free text for cricket. A spelling
matches regardless of case, white space, `_` and `-`: the whole text, or the start of a longer one.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

SCHEDULED, LIVE, ENDED, OFF, UNKNOWN = STATUS_GROUPS = ("scheduled", "live", "ended", "off", "unknown")
"""Upcoming, in progress, over, not taking place as listed, and spellings that the table does not list."""

SEPARATORS = "[ \\t\\n\\f\\r_-]+"
"""A pattern for the separators between the words of a status, valid in RE2 and Python."""


@dataclass(frozen=True)
class Spelling:
    """One line of status_groups.csv; `text` is folded."""

    text: str
    is_prefix: bool
    group: str
    start_is_tentative: bool

    @property
    def pattern(self) -> str:
        """A regular expression for a whole folded status, valid in RE2 and Python."""
        return f"{self.text}([^a-z0-9].*)?" if self.is_prefix else self.text


def fold(status: str) -> str:
    """A status in lower case, its words separated by single blanks."""
    return re.sub(SEPARATORS, " ", status).strip(" ").lower()


@cache
def spellings() -> tuple[Spelling, ...]:
    """The lines of status_groups.csv, in order."""
    text = resources.files("schemas").joinpath("status_groups.csv").read_text(encoding="utf-8")
    return tuple(
        Spelling(
            fold(row["spelling"]), row["match"] == "start", row["status_group"], row["start_is_tentative"] == "yes"
        )
        for row in csv.DictReader(text.splitlines())
    )


@cache
def group_pattern(group: str) -> str:
    """A regular expression for the whole folded statuses of a group."""
    return "|".join(spelling.pattern for spelling in spellings() if spelling.group == group)


@cache
def tentative_pattern() -> str:
    """A regular expression for whole folded statuses that say that the start is not settled."""
    return "|".join(spelling.pattern for spelling in spellings() if spelling.start_is_tentative)


# A few dozen statuses cover nearly all rows; the bound limits the memory that free text with numbers could take.
@lru_cache(maxsize=1_024)
def status_group(status: str | None) -> str | None:
    """The group of a status as sent, one of STATUS_GROUPS; None for no status or a blank one."""
    folded = fold(status or "")
    if not folded:
        return None
    return next((group for group in STATUS_GROUPS[:-1] if _matches(group_pattern(group), folded)), UNKNOWN)


@lru_cache(maxsize=1_024)
def leaves_start_open(status: str | None) -> bool:
    """Whether a status says that the listed start is not settled."""
    return _matches(tentative_pattern(), fold(status or ""))


def _matches(pattern: str, folded: str) -> bool:
    return re.fullmatch(pattern, folded, re.DOTALL) is not None
