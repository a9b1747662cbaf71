"""Checks that the milestones of a response match the request's filters: the API ignores parameters it does not know.

Pure. A value that is absent or unreadable is not checked here: its record is decoded, or quarantined, in
`pipelines.records`. Only a missing provider id and an empty list of tickers are values, as the API leaves them out.

A competition is judged by page, not by milestone: the API filters by its own codes, and `details` may spell the league
otherwise (EPL, "Premier League"). Other names of one sport may be such a league; other names of several sports are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from pipelines.kalshi.errors import FilterIgnored
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Response
from schemas.api import ZERO_TIME_YEAR
from schemas.categories import is_same_category
from schemas.endpoints import MILESTONES_ENDPOINT
from schemas.leagues import COMPETITION_KEYS

TOLERANCE = timedelta(seconds=1)
"""Of a time bound: the API may cut off its fraction."""


def check_filters(query: MilestoneQuery, response: Response) -> None:
    """Raise FilterIgnored for the first milestone that a filter of the query should have excluded."""
    _check_texts(query, response)
    _check_named(query, response)
    _check_competition(query, response)
    if (begins := query.minimum_start_date) is not None:
        index = first_before(begins, response.starts)
        _check(query, response, "minimum_start_date", "the start", index, response.starts)
    if (since := query.min_updated_ts) is not None:
        index = first_before(_from_unix(since), response.updates)
        _check(query, response, "min_updated_ts", "the last update", index, response.updates)


def first_before(bound: datetime, times: Iterable[str]) -> int | None:
    """The index of the first time before a bound, with a second of tolerance; the zero time means "never"."""
    earliest = _earliest(bound)
    for index, text in enumerate(times):
        time = as_time(text)
        if time is not None and time < earliest and time.year != ZERO_TIME_YEAR:
            return index
    return None


def as_time(text: str) -> datetime | None:
    """The text as an aware UTC time; None where it cannot be read as one."""
    try:
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC) if time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _check_texts(query: MilestoneQuery, response: Response) -> None:
    if (category := query.category) is not None:
        index = _first(not is_same_category(category, one) if one else False for one in response.categories)
        _check(query, response, "category", "the category", index, response.categories)
    if (kind := query.type) is not None:
        index = _first(one.casefold() != kind.casefold() if one else False for one in response.types)
        _check(query, response, "type", "the type", index, response.types)


class _Named(msgspec.Struct):
    """The fields that name providers, events and competitions. Only filters by them need to read these."""

    source_id: Any = None
    source_ids: Any = None
    related_event_tickers: Any = None
    primary_event_tickers: Any = None
    details: Any = None


_named_decoder = msgspec.json.Decoder(_Named)


def other_competitions(wanted: str | None, body: bytes) -> dict[str, int]:
    """The competitions of the milestones of a page that name only others than the wanted one, each with one index."""
    found: dict[str, int] = {}
    for index, named in enumerate(_named(body) if wanted is not None else ()):
        if named is not None and wanted is not None and (other := _other_competition(named, wanted)) is not None:
            found.setdefault(other, index)
    return found


def _check_named(query: MilestoneQuery, response: Response) -> None:
    checks: dict[str, tuple[str | None, Callable[[_Named, str], str | None]]] = {
        "source_id": (query.source_id, _other_source),
        "related_event_ticker": (query.related_event_ticker, _other_tickers),
    }
    used = {name: (wanted, found_in) for name, (wanted, found_in) in checks.items() if wanted is not None}
    for index, named in enumerate(_named(response.body) if used else ()):
        for name, (wanted, found_in) in used.items():
            if named is not None and wanted is not None and (found := found_in(named, wanted)) is not None:
                raise FilterIgnored(
                    response.url_path, name=name, wanted=wanted, found=found, milestone_id=response.ids[index]
                )


def _check_competition(query: MilestoneQuery, response: Response) -> None:
    others = other_competitions(query.competition, response.body)
    sports = {sport for index in others.values() if (sport := _sport(response.types[index]))}
    if len(sports) > 1:
        name, index = next(iter(others.items()))
        _check(query, response, "competition", f"the competition {name}, type", index, response.types)


def _sport(type_: str | None) -> str:
    """The first word of a type: tennis_tournament_singles and tennis_tournament_doubles are one sport."""
    return (type_ or "").casefold().partition("_")[0]


def _named(body: bytes) -> Iterator[_Named | None]:
    """What each milestone of a page names; None where it cannot be read."""
    for raw in MILESTONES_ENDPOINT.raw_page_decoder.decode(body).records or ():
        try:
            yield _named_decoder.decode(raw)
        except (ValueError, RecursionError):
            yield None


def _other_source(named: _Named, wanted: str) -> str | None:
    """What a milestone has instead of the wanted id of a provider; None where it has that id."""
    others = named.source_ids.values() if isinstance(named.source_ids, dict) else ()
    found = [one for one in (named.source_id, *others) if one is not None]
    if any(not isinstance(one, str) or one.casefold() == wanted.casefold() for one in found):
        return None
    return f"the source id {found[0]}" if found else "no source id"


def _other_tickers(named: _Named, wanted: str) -> str | None:
    """What a milestone has instead of the wanted event; None where it names that event."""
    lists = (named.related_event_tickers, named.primary_event_tickers)
    if any(one is not None and not isinstance(one, list) for one in lists):
        return None
    found = [ticker for one in lists for ticker in one or ()]
    if any(not isinstance(one, str) or one.casefold() == wanted.casefold() for one in found):
        return None
    return f"the event {found[0]}" if found else "no event"


def _other_competition(named: _Named, wanted: str) -> str | None:
    """The competition that a milestone names instead; None where it names none, or the wanted one.

    A longer name counts: the filter is a code (ATP), and details may have a name that contains it (ATP Challenger).
    """
    details = named.details if isinstance(named.details, dict) else {}
    found = [value for key in COMPETITION_KEYS if isinstance(value := details.get(key), str) and value]
    code = _letters(wanted)
    if not found or any(code in _letters(one) for one in found):
        return None
    return found[0]


def _letters(name: str) -> str:
    """A name in one case, without blanks and marks: "La Liga" and "laliga" are the same."""
    return "".join(filter(str.isalnum, name.casefold()))


def _check(
    query: MilestoneQuery, response: Response, name: str, what: str, index: int | None, values: tuple[str | None, ...]
) -> None:
    if index is not None:
        raise FilterIgnored(
            response.url_path,
            name=name,
            wanted=query.params()[name],
            found=f"{what} {values[index]}",
            milestone_id=response.ids[index],
        )


def _first(are_wrong: Iterable[bool]) -> int | None:
    return next((index for index, is_wrong in enumerate(are_wrong) if is_wrong), None)


def _from_unix(seconds: int) -> datetime:
    """The UTC time of whole Unix seconds, clamped to what datetime can hold."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def _earliest(bound: datetime) -> datetime:
    try:
        return bound - TOLERANCE
    except OverflowError:
        return bound
