"""The query parameters of `GET /milestones`, parsed as the live API parses them. Pure.

The two recorded errors (no limit, a fraction in min_updated_ts) have their recorded messages; the messages of the
others are not known and follow the same pattern.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import msgspec

from sandbox.cursor import InvalidCursorError, Position, decode_cursor
from sandbox.rfc3339 import MICROS, parse_micros
from schemas.api import PAGE_LIMIT

_INTEGER = re.compile(r"[+-]?[0-9]+")
_INT64_MIN, _INT64_MAX = -(1 << 63), (1 << 63) - 1
_INT64_DIGITS_MAX = 20


class BadParameterError(Exception):
    """A parameter that the API refuses with 400; the text is the `msg` of its body."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The parameters of one page; None: no such filter. Starts in Unix seconds, updates in microseconds."""

    limit: int
    after: Position | None = None
    minimum_start: int | None = None
    updated_after_micros: int | None = None
    category: str | None = None
    type: str | None = None
    source_id: str | None = None
    related_event_ticker: str | None = None
    competition: str | None = None


def parse_query(parameters: Mapping[str, str]) -> Query:
    """Parse the parameters; unknown and empty ones are ignored. Raises BadParameterError."""
    return Query(
        limit=_limit(parameters),
        after=keyset_cursor(parameters),
        minimum_start=_minimum_start(parameters),
        updated_after_micros=updated_after(parameters),
        category=parameters.get("category") or None,
        type=parameters.get("type") or None,
        source_id=parameters.get("source_id") or None,
        related_event_ticker=parameters.get("related_event_ticker") or None,
        competition=parameters.get("competition") or None,
    )


def _limit(parameters: Mapping[str, str]) -> int:
    if "limit" not in parameters:
        raise BadParameterError("Query argument limit is required, but not found")
    limit = integer("limit", parameters["limit"])
    if not 1 <= limit <= PAGE_LIMIT:
        raise BadParameterError(f"Invalid limit {limit}: must be between 1 and {PAGE_LIMIT}")
    return limit


def keyset_cursor(parameters: Mapping[str, str]) -> Position | None:
    """The position in `cursor`, None for the first page. Raises BadParameterError."""
    text = parameters.get("cursor")
    if not text:
        return None
    try:
        return decode_cursor(text)
    except InvalidCursorError as error:
        raise BadParameterError("Invalid cursor") from error


def _minimum_start(parameters: Mapping[str, str]) -> int | None:
    text = parameters.get("minimum_start_date")
    if not text:
        return None
    try:
        micros = parse_micros(text)
    except ValueError as error:
        raise _unreadable("minimum_start_date", f"parsing time {_quoted(text)}: cannot parse") from error
    # Starts are whole seconds, so "at or after" a fraction is "from the next second".
    return -(-micros // MICROS)


def updated_after(parameters: Mapping[str, str]) -> int | None:
    """`min_updated_ts` in microseconds since 1970. Raises BadParameterError."""
    text = parameters.get("min_updated_ts")
    return None if text is None else integer("min_updated_ts", text) * MICROS


def integer(name: str, text: str) -> int:
    """The value of a whole-number parameter (int64). Raises BadParameterError."""
    fault = f"strconv.ParseInt: parsing {_quoted(text)}"
    if not _INTEGER.fullmatch(text):
        raise _unreadable(name, f"{fault}: invalid syntax")
    digits = text.lstrip("+-0")[:_INT64_DIGITS_MAX] or "0"  # int() has an error of its own for very long texts
    value = -int(digits) if text.startswith("-") else int(digits)
    if not _INT64_MIN <= value <= _INT64_MAX:
        raise _unreadable(name, f"{fault}: value out of range")
    return value


def _unreadable(name: str, why: str) -> BadParameterError:
    return BadParameterError(f"Invalid format for parameter {name}: error binding string parameter: {why}")


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
