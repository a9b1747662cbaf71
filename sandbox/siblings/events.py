"""An event and its series as functions of the ticker and of the milestone that names it. Pure."""

from __future__ import annotations

import re
from typing import Literal

from sandbox.draw import words
from sandbox.factory import DAY, HOUR
from sandbox.rfc3339 import MICROS, format_micros, format_seconds
from sandbox.row import Row
from sandbox.siblings.chance import happens, number_of, pick_of
from sandbox.siblings.index import Naming, Series, series_of
from schemas.api import JsonObject

Status = Literal["unopened", "open", "closed", "settled"]

CLOSES_SECONDS = 3 * HOUR
SETTLES_SECONDS = DAY
"""How long after the start of its milestone trading on an event ends, and how long after that it is settled."""
OPENS_SECONDS = 60 * DAY
"""How long before that start trading begins."""

SOURCES_NULL_SHARE = 0.1
STRIKE_DATE_ABSENT_SHARE, STRIKE_DATE_EMPTY_SHARE = 0.5, 0.3
CATEGORY_ABSENT_SHARE = 0.1
"""It is deprecated."""
BROKERS_ABSENT_SHARE = 0.1
TAGS_NULL_SHARE = 0.3

LINES = {
    "TEAMTOTAL": "Team Total",
    "SPREAD": "Spread",
    "TOTAL": "Total Points",
    "BTTS": "Both Teams to Score",
    "FIRSTTD": "First Touchdown",
    "ANYTD": "Anytime Touchdown",
    "TWOTD": "Two Touchdowns",
    "MENTION": "What will the announcers say?",
    "EXTRA": "Extras",
    "LIVE": "Live",
    "MAP": "Map Winner",
    "OT": "Overtime",
}
"""The ends of a series' ticker and the titles of its events; longer ends before those they end with."""
_PARTS = {"1H": "1st Half", "2H": "2nd Half", "1Q": "1st Quarter", "2Q": "2nd Quarter"}
_PARTS |= {"3Q": "3rd Quarter", "4Q": "4th Quarter"}

_SEASON = re.compile(r"\d\d([A-Z]{3})?")
"""What follows the series in the ticker of an event of a year or a month."""
_MONTHS = words("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
_SOURCES = ("Associated Press", "ESPN", "Reuters", "The Guardian")


def event_of(ticker: str, row: Row, naming: Naming) -> JsonObject:
    """The event; optional fields are left out of some. `row` is the milestone that `naming` is read from."""
    title = title_of(ticker, naming)
    start, series = row.position[0], series_of(ticker)
    is_exclusive = pick_of(series, "exclusive", (True, True, False))
    event: JsonObject = {
        "collateral_return_type": "MECNET" if is_exclusive else "",
        "event_ticker": ticker,
        "mutually_exclusive": is_exclusive,
        "series_ticker": series,
        "settlement_sources": sources_of(ticker),
        "strike_period": "",
        "sub_title": f"{title} ({_day(start)})",
        "title": title,
    }
    if not happens(ticker, "no brokers", BROKERS_ABSENT_SHARE):
        event["available_on_brokers"] = happens(ticker, "brokers", 0.5)
    if row.category and not happens(ticker, "no category", CATEGORY_ABSENT_SHARE):
        event["category"] = row.category
    if row.updated_micros > 0:
        event["last_updated_ts"] = format_micros(row.updated_micros)
    if naming.competition:
        scope = "Season" if _is_season(ticker) else "Game"
        event["product_metadata"] = {"competition": naming.competition, "competition_scope": scope}
    if not happens(ticker, "no strike date", STRIKE_DATE_ABSENT_SHARE):
        is_empty = happens(ticker, "empty strike date", STRIKE_DATE_EMPTY_SHARE)
        event["strike_date"] = "" if is_empty else format_seconds(close_of(row))
    return event


def close_of(row: Row) -> int:
    """When trading ends on an event of this milestone, in Unix seconds."""
    return row.position[0] + CLOSES_SECONDS


def status_of(row: Row, now_micros: int) -> Status:
    """The status of an event of this milestone, at a time in microseconds since 1970."""
    now, close = now_micros // MICROS, close_of(row)
    if now < row.position[0] - OPENS_SECONDS:
        return "unopened"
    if now < close:
        return "open"
    return "closed" if now < close + SETTLES_SECONDS else "settled"


def title_of(ticker: str, naming: Naming) -> str:
    """The milestone's title, with what the event is about unless it is the milestone's first one."""
    series = series_of(ticker)
    if _is_season(ticker) and ticker not in (naming.primary_event_tickers or ()):
        when = ticker.rpartition("-")[2]
        month = f"{when[2:].capitalize()} " if when[2:] else ""
        return f"{naming.competition or series} {month}20{when[:2]}".strip()
    title = naming.plain_title
    if ticker == next(iter(naming.primary_event_tickers or ()), None):
        return title
    for end, line in LINES.items():
        if series.endswith(end):
            part = _PARTS.get(series.removesuffix(end)[-2:], "")
            return f"{title}: {part} {line}" if part else f"{title}: {line}"
    part = _PARTS.get(series[-2:], "")
    return f"{title}: {part} Winner" if part else title


def sources_of(name: str) -> list[dict[str, str]] | None:
    """The settlement sources of an event or series; None, which the API sends as null, for some."""
    if happens(name, "no sources", SOURCES_NULL_SHARE):
        return None
    source = pick_of(name, "source", _SOURCES)
    return [{"name": source, "url": f"https://{source.replace(' ', '').lower()}.example/"}]


def series_body(ticker: str, known: Series, made_micros: int) -> JsonObject:
    """A series; it was updated before the world was made, at a time in microseconds since 1970."""
    updated = made_micros - number_of(ticker, "age") % (400 * DAY * MICROS)
    return {
        "additional_prohibitions": [],
        "categories": [known.category],
        "category": known.category,
        "contract_terms_url": "",
        "contract_url": "",
        "fee_multiplier": 1,
        "fee_type": "quadratic",
        "frequency": pick_of(ticker, "frequency", ("custom", "daily", "one_off", "weekly")),
        "last_updated_ts": format_micros(updated),
        "settlement_sources": sources_of(ticker),
        "tags": None if happens(ticker, "no tags", TAGS_NULL_SHARE) else [known.competition or known.category],
        "ticker": ticker,
        "title": f"{known.competition or known.category} ({ticker})",
    }


def _is_season(ticker: str) -> bool:
    return _SEASON.fullmatch(ticker.rpartition("-")[2]) is not None


def _day(seconds: int) -> str:
    """A date as sub-titles have it: "Jul 13"."""
    text = format_seconds(seconds)
    return f"{_MONTHS[int(text[5:7]) - 1]} {int(text[8:10])}"
