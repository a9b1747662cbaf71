"""Which milestones name an event, and which targets they name: built from the rows when first asked for.

An event costs eight bytes per milestone that names it, not a dictionary entry: a sandbox holds hundreds of thousands.
Entries are never removed, so readers must check that a milestone still names the event.
"""

from __future__ import annotations

import bisect
import re
from array import array
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from sandbox.row import Row
from schemas.leagues import COMPETITION_KEYS

TARGET_TYPES = {
    "football_game": "football_team",
    "basketball_game": "basketball_team",
    "baseball_tournament": "baseball_team",
    "baseball_game": "baseball_team",
    "hockey_tournament": "hockey_team",
    "hockey_match": "hockey_team",
    "soccer_tournament_multi_leg": "soccer_team",
    "cricket_match": "cricket_team",
    "rugby_match": "rugby_team",
    "esports_match": "esports_team",
    "tennis_tournament_singles": "tennis_competitor",
    "tennis_tournament_doubles": "tennis_competitor",
    "table_tennis_match": "table_tennis_competitor",
    "darts_match": "darts_competitor",
    "golf_match": "golf_competitor",
    "golf_tournament": "golf_competitor",
    "mma_match": "ufc_competitor",
    "boxing_match": "boxing_competitor",
    "racing_tournament": "racing_competitor",
    "political_race": "political_candidate",
    "artist_streams": "artist",
    "tv_views": "tv_show",
}
"""The type of the targets that a milestone of each type names."""

OTHER_TYPE = "competitor"

HYPHENATED_SERIES = ("KXHOUSE-WY",)
"""Series whose ticker has a hyphen: what is before the first one is another series."""

_TARGET_KEY = re.compile(r"(?!session_)(\w+?)_ids?", re.ASCII)
_PAIR = re.compile(r"(.+?) (?:at|vs\.?) (.+)", re.DOTALL)
_SIDES = {"away": 1, "first": 1, "home": 2, "second": 2}
"""The first word of a details key, and the place of that participant in the title."""

_BUCKET_BITS, _NUMBER_BITS = 6, 24
_HASH_MASK = ((1 << 64) - 1) >> _NUMBER_BITS << _NUMBER_BITS
_NUMBER_MASK = (1 << _NUMBER_BITS) - 1


class Known(NamedTuple):
    """What milestones tell about a target. `name` is None unless a title has it."""

    type: str
    competition: str
    name: str | None


class Naming(msgspec.Struct):
    """The fields of a milestone that name events and targets."""

    id: str
    type: str = ""
    category: str | None = None
    title: str | None = None
    related_event_tickers: list[str] | None = None
    primary_event_tickers: list[str] | None = None
    details: dict[str, Any] | None = None

    @property
    def tickers(self) -> list[str]:
        """The tickers of all its events, once each."""
        return list(dict.fromkeys([*(self.related_event_tickers or ()), *(self.primary_event_tickers or ())]))

    @property
    def plain_title(self) -> str:
        """The title without the note in brackets that an edit may have added."""
        return (self.title or "").partition(" (")[0]

    @property
    def competition(self) -> str:
        """The league, tour, promotion or game; "" if there is none."""
        details = self.details or {}
        return next((value for key in COMPETITION_KEYS if isinstance(value := details.get(key), str)), "")

    def targets(self) -> Iterable[tuple[str, Known]]:
        """The targets that `details` name."""
        details = self.details or {}
        pair = _PAIR.fullmatch(self.plain_title)
        for key, value in details.items():
            if _TARGET_KEY.fullmatch(key) is None:
                continue
            ids = value if isinstance(value, list) else [value]
            side = _SIDES.get(key.partition("_")[0])
            name = pair[side] if pair is not None and side is not None else None
            if key == "subject_id":
                name = details.get("subject")
            known = Known(TARGET_TYPES.get(self.type, OTHER_TYPE), self.competition, name)
            yield from ((one, known) for one in ids if isinstance(one, str) and one)


def series_of(ticker: str) -> str:
    """The ticker of the series that an event belongs to, unless it was moved."""
    for series in HYPHENATED_SERIES:
        if ticker.startswith(f"{series}-"):
            return series
    return ticker.partition("-")[0]


class Series(NamedTuple):
    """What milestones tell about a series."""

    category: str
    competition: str


class NameIndex:
    """The events and targets that milestones name."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.targets: dict[str, Known] = {}
        self.series: dict[str, Series] = {}
        self._same: dict[Known, Known] = {}
        self._milestones: list[str] = []
        # A number holds the upper bits of a ticker's hash and the number of a milestone. Short arrays are cheap to
        # insert into.
        self._buckets = [array("Q") for _ in range(1 << _BUCKET_BITS)]
        for row in rows:
            if (naming := naming_of(row.body)) is not None:
                self._add(row, naming.tickers)
                self._learn(naming)

    def note(self, row: Row) -> None:
        """Add what a new or changed row names."""
        if (naming := naming_of(row.body)) is not None:
            name = row.position[1]
            self._add(row, [one for one in naming.tickers if name not in self.milestones_of(one)])
            self._learn(naming)

    def milestones_of(self, ticker: str) -> list[str]:
        """The ids of milestones that name the event or once did; very rarely also another milestone's."""
        bucket, key = self._place(ticker)
        found = []
        for at in range(bisect.bisect_left(bucket, key), len(bucket)):
            if bucket[at] & _HASH_MASK != key:
                break
            found.append(self._milestones[bucket[at] & _NUMBER_MASK])
        return found

    def _add(self, row: Row, tickers: list[str]) -> None:
        if not tickers:
            return
        number = len(self._milestones)
        # The row's own text: the decoded one would be a copy.
        self._milestones.append(row.position[1])
        for ticker in tickers:
            bucket, key = self._place(ticker)
            bisect.insort(bucket, key | number)

    def _learn(self, naming: Naming) -> None:
        for ticker in naming.tickers:
            if (series := series_of(ticker)) not in self.series:
                category = naming.category or ""
                # Both spellings of a category occur among milestones.
                category = category.capitalize() if category.islower() else category
                self.series[series] = Series(category, naming.competition)
        for target_id, known in naming.targets():
            old = self.targets.get(target_id)
            # The first name stays: a title that is edited does not rename its targets.
            if old is None or (old.name is None and known.name is not None):
                self.targets[target_id] = self._same.setdefault(known, known)

    def _place(self, ticker: str) -> tuple[array[int], int]:
        value = hash(ticker) & ((1 << 64) - 1)
        return self._buckets[value >> (64 - _BUCKET_BITS)], value & _HASH_MASK


def naming_of(body: bytes) -> Naming | None:
    """What a milestone names; None if its fields are of other types, which only a recording's could be."""
    try:
        return _naming_decoder.decode(body)
    except msgspec.ValidationError:
        return None


def owner_of(ticker: str, index: NameIndex, rows: Mapping[str, Row]) -> tuple[Row, Naming] | None:
    """The latest of the milestones that name an event now, which gives it its title and times."""
    found = [row for one in index.milestones_of(ticker) if (row := rows.get(one)) is not None]
    for row in sorted(found, key=lambda one: one.position, reverse=True):
        naming = naming_of(row.body)
        if naming is not None and ticker in naming.tickers:
            return row, naming
    return None


_naming_decoder = msgspec.json.Decoder(Naming)
