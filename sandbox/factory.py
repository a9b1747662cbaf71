"""Generates milestones one by one: dates, tickers, sources and ends around the details. Pure.

Types and categories follow the census, everything else the recorded proportions and shapes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sandbox.census import CENSUS
from sandbox.details import FUTURE_STATUSES, LIVE_STATUSES, PAST_STATUSES, Fixture, details_of
from sandbox.draw import Draw
from sandbox.kinds import KINDS, ONE_OFFS, SIMULATED_SERIES, Kind, League, kind_of
from sandbox.rfc3339 import MICROS, format_micros, format_seconds, micros_of
from schemas.api import JsonObject

MINUTE, HOUR, DAY = 60, 3_600, 86_400
"""Seconds."""

OLDEST_START = datetime(2024, 5, 9, tzinfo=UTC)
LATEST_START = datetime(2033, 1, 1, tzinfo=UTC)
SOURCE_IDS_SINCE = datetime(2026, 3, 1, tzinfo=UTC)
"""Milestones that start earlier have no `source_ids`."""

FUTURE_SHARE = 0.028
LIVE_SECONDS = 3 * HOUR
GROWTH = 4
"""Past milestones grow with the fourth power of time, up to the census's 640 rows a day after two and a half years."""

UPDATE_CROWDING = 4
"""Half of the single updates fall in the last sixteenth of a milestone's life, when its status and end are set."""

REWRITES_DAYS_AGO = (2, 9, 31, 62, 120, 205, 300, 480)
"""The bulk rewrites of `last_updated_ts`; two rows in five still have one of them."""

ZERO_TIME = "0001-01-01T00:00:00Z"
ZERO_TIME_SHARE = 0.001
PLACEHOLDER_START, PLACEHOLDER_END = "2000-01-01T00:00:00Z", "2000-01-02T00:00:00Z"
PLACEHOLDER_SHARE = 0.05
"""Share of political races."""

SOURCE_ID_ABSENT_SHARE = 0.13
END_NULL_SHARE, END_ABSENT_SHARE, END_PLANNED_SHARE = 0.3, 0.25, 0.1
"""Shares of milestones that are over; the rest have their real end. Before that, the end is absent instead."""
SIMULATED_SHARE = 0.01
SHARED_EVENT_SHARE = 0.02
_BATCH_ROWS = 4_096


class RowFactory:
    """Generates milestones one by one, in constant memory."""

    def __init__(self, seed: int | str, now: datetime) -> None:
        if now < OLDEST_START + timedelta(days=1):
            raise ValueError(
                f"the generated data begin on {OLDEST_START:%Y-%m-%d}: now must be at least a day later, not {now}"
            )
        self.draw = Draw(seed)
        self.now_seconds = micros_of(now) // MICROS
        self._oldest = micros_of(OLDEST_START) // MICROS
        self._horizon = max(micros_of(LATEST_START) // MICROS, self.now_seconds + 365 * DAY)
        self._source_ids_since = micros_of(SOURCE_IDS_SINCE) // MICROS
        self._rewrites = [
            (self.now_seconds - days * DAY) * MICROS - self.draw.below(DAY * MICROS) for days in REWRITES_DAYS_AGO
        ]
        self._pools = {
            league.prefix: self.draw.entities(kind.names, kind.entities)
            for kind in (*KINDS.values(), *ONE_OFFS.values())
            for league in kind.leagues
        }

    def cells(self) -> Iterator[tuple[str, str]]:
        """An endless sequence of types and categories, weighted by the census."""
        cells, weights = list(CENSUS), list(itertools.accumulate(CENSUS.values()))
        while True:
            yield from self.draw.random.choices(cells, cum_weights=weights, k=_BATCH_ROWS)

    def ordinary(self) -> Iterator[JsonObject]:
        """An endless sequence of rows, types and categories weighted by the census."""
        return (self.row(type_name, category) for type_name, category in self.cells())

    def row(self, type_name: str, category: str, start: int | None = None, **overrides: Any) -> JsonObject:
        """One milestone of this type. `start` in Unix seconds; `overrides` replace top-level fields."""
        draw, kind = self.draw, kind_of(type_name, category)
        league = draw.pick(kind.leagues)
        is_placeholder = start is None and type_name == "political_race" and draw.chance(PLACEHOLDER_SHARE)
        if start is None:
            start = self._start(kind)
        start_text = format_seconds(start)
        first, second = draw.two(self._pools[league.prefix])
        fixture = Fixture(
            type=type_name,
            league=league.name,
            first=first,
            second=second,
            year=int(start_text[:4]),
            status=self._status(start),
            main_ticker="",
        )
        fixture.simulated = league.name in SIMULATED_SERIES and draw.chance(SIMULATED_SHARE)
        primary, related = self._tickers(fixture, kind, league, start)
        milestone_id = draw.uuid(5 if type_name == "political_race" else 4)
        row: JsonObject = {
            "category": category,
            "details": details_of(fixture, draw),
            "id": milestone_id,
            "last_updated_ts": ZERO_TIME if draw.chance(ZERO_TIME_SHARE) else format_micros(self._updated(start)),
            "notification_message": kind.notification,
            "primary_event_tickers": primary,
            "related_event_tickers": related,
            "start_date": start_text,
            "title": kind.title.format(first=first.name, second=second.name),
            "type": type_name,
        }
        self._add_end(row, start)
        self._add_sources(row, kind, start)
        if is_placeholder:
            row |= {"start_date": PLACEHOLDER_START, "end_date": PLACEHOLDER_END}
        row.update(overrides)
        return row

    def _start(self, kind: Kind) -> int:
        draw = self.draw
        if draw.chance(FUTURE_SHARE):
            start = self.now_seconds + self._seconds_ahead()
        else:
            age = 1 - draw.chance_of() ** (1 / GROWTH)
            start = self.now_seconds - int((self.now_seconds - self._oldest) * age)
        grain = HOUR if kind.all_day else 5 * MINUTE
        # Rounded up, so that a future start stays in the future; a past one may be up to a grain ahead of now.
        return -(-start // grain) * grain

    def _seconds_ahead(self) -> int:
        """Mostly days: the calendar is dense in the near future and sparse towards its last year."""
        draw, depth = self.draw, self.draw.chance_of()
        if depth < 0.6:
            return int(draw.random.expovariate(1 / (2 * DAY)))
        if depth < 0.9:
            return draw.below(180 * DAY)
        return draw.below(self._horizon - self.now_seconds)

    def _status(self, start: int) -> str:
        if start > self.now_seconds:
            return self.draw.pick(FUTURE_STATUSES)
        return self.draw.pick(LIVE_STATUSES if start > self.now_seconds - LIVE_SECONDS else PAST_STATUSES)

    def _updated(self, start: int) -> int:
        """In microseconds; never after now, and not before the milestone was created."""
        draw, now = self.draw, self.now_seconds * MICROS
        made = min(start - draw.between(1, 10) * DAY, self.now_seconds - draw.below(90 * DAY)) * MICROS
        if draw.chance(0.4):
            rewrites = [instant for instant in self._rewrites if instant >= made]
            if rewrites:
                return draw.pick(rewrites)
        last = min(now, (start + 6 * HOUR) * MICROS)
        return last - int((last - made) * draw.chance_of() ** UPDATE_CROWDING)

    def _tickers(self, fixture: Fixture, kind: Kind, league: League, start: int) -> tuple[list[str], list[str]]:
        """Primary and related event tickers; sets the fixture's main ticker. Related ones include every primary one.

        A ticker has the day and the codes of the participants in the title. Some milestones also relate to an event of
        the league's month or season, which they share.
        """
        draw = self.draw
        if fixture.simulated:
            fixture.main_ticker = SIMULATED_SERIES[league.name]
            return [fixture.main_ticker], [fixture.main_ticker]
        # American evenings are the next day in UTC: the date in a ticker is the local date of the venue.
        day = _ticker_date(start - 5 * HOUR)
        name = day + (fixture.first.code if "{first}" in kind.title else "")
        if "{second}" in kind.title:
            name += fixture.second.code
        offered = league.suffixes[: draw.between(1, len(league.suffixes))]
        primary = [f"{league.prefix}{suffix}-{name}" for suffix in offered]
        fixture.main_ticker = primary[0]
        related = list(primary)
        if draw.chance(SHARED_EVENT_SHARE):
            related.append(f"{league.prefix}-{day[:5]}")
        elif draw.chance(SHARED_EVENT_SHARE):
            related.insert(0, f"{league.prefix}-{fixture.year % 100}")
        return primary, related

    def _add_end(self, row: JsonObject, start: int) -> None:
        """Set the end: absent, null, the real end if over, or a planned full hour."""
        draw, form = self.draw, self.draw.chance_of()
        is_over = start < self.now_seconds - LIVE_SECONDS
        if form < END_NULL_SHARE:
            row["end_date"] = None
        elif form > 1 - END_PLANNED_SHARE:
            row["end_date"] = format_seconds(-(-start // HOUR) * HOUR + draw.between(1, 5) * HOUR)
        elif is_over and form > END_NULL_SHARE + END_ABSENT_SHARE:
            length = draw.between(40 * MINUTE, LIVE_SECONDS)
            row["end_date"] = format_micros((start + length) * MICROS + draw.below(MICROS))

    def _add_sources(self, row: JsonObject, kind: Kind, start: int) -> None:
        draw = self.draw
        if not draw.chance(SOURCE_ID_ABSENT_SHARE):
            row["source_id"] = self._source_id(row["id"], kind)
        if start < self._source_ids_since or draw.chance(0.2):
            return
        ids = {}
        if draw.chance(0.7):
            ids["source_3_id"] = row.get("source_id") or draw.uuid()
            for provider in ("source_1_id", "source_2_id", "source_6_id"):
                if draw.chance(0.4):
                    ids[provider] = str(draw.below(10**8))
        row["source_ids"] = ids

    def _source_id(self, milestone_id: str, kind: Kind) -> str:
        if kind.source == "own":
            return milestone_id
        if kind.source == "sportradar":
            return f"sr:sport_event:{self.draw.between(50_000_000, 79_999_999)}"
        return self.draw.uuid()


_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")


def _ticker_date(seconds: int) -> str:
    text = format_seconds(seconds)
    return f"{text[2:4]}{_MONTHS[int(text[5:7]) - 1]}{text[8:10]}"
