"""Decodes the bytes of a page to records and rejected records: typed, strict, no value coerced.

A page is decoded in one pass, and record by record only where that fails, so that one bad record never costs its page.
A page that cannot be decoded at all raises `UndecodablePage`: a fault of the response, not of a record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec

from pipelines.records.canonical import canonical_json, content_hash
from pipelines.records.rfc3339 import InvalidTime, parse_rfc3339
from schemas.api import (
    EXPECTED_FIELDS,
    KNOWN_FIELDS,
    JsonObject,
    Milestone,
    object_decoder,
    page_decoder,
    raw_page_decoder,
    single_decoder,
)

MAX_RECORD_BYTES = 4 * 1024 * 1024
"""Limit of a record's canonical JSON. The largest recorded milestone has 6 kB."""

MAX_DEPTH = 64
"""Limit of nesting in a record; recorded ones reach 4."""

MAX_PATHS_LENGTH = 16 * 1024 * 1024
"""Limit of the paths of all leaves of `details` together, in characters; recorded ones reach 3,000. A path repeats its
keys at every leaf, so one long key above many leaves makes terabytes out of a record of legal size."""

TOO_DEEP = f"nested deeper than {MAX_DEPTH}"

_PLACE_IN_MESSAGE = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING_FIELD = re.compile(r"missing required field `([^`]+)`")


class UndecodablePage(ValueError):
    """A landed body that is not a page of the API."""


# gc=False: hundreds of thousands exist at once, and none can be part of a cycle.
class Record(msgspec.Struct, frozen=True, gc=False):
    """One milestone as received.

    `position` counts from 0 on its page, `text` is its canonical JSON. `last_updated_ts` is in microseconds since 1970
    UTC, None for the zero time. `unknown_fields` are top-level keys that the API does not document; `missing_fields`
    those of EXPECTED_FIELDS that are absent or null.
    """

    position: int
    milestone_id: str
    content_hash: str
    last_updated_ts: int | None
    text: str
    unknown_fields: frozenset[str]
    missing_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record for the quarantine: its position, the reason, the field at fault, and the record as received."""

    position: int
    reason: str
    record: str
    milestone_id: str | None = None
    field: str | None = None


def decode_page(body: bytes) -> list[Record | Refusal]:
    """The milestones of a `GET /milestones` body, in order. Raises UndecodablePage."""
    try:
        return [
            _to_record(position, value) for position, value in enumerate(page_decoder.decode(body).milestones or ())
        ]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        raws = raw_page_decoder.decode(body).milestones or []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodablePage(f"the body is not a page of milestones: {error}") from error
    return [_decode_raw(position, raw) for position, raw in enumerate(raws)]


def decode_single(body: bytes) -> Record | Refusal:
    """The milestone of a `GET /milestones/{milestone_id}` body. Raises UndecodablePage."""
    try:
        raw = single_decoder.decode(body).milestone
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodablePage(f"the body is not a single milestone: {error}") from error
    return _decode_raw(0, raw)


def _decode_raw(position: int, raw: msgspec.Raw) -> Record | Refusal:
    data = bytes(raw)
    try:
        return _to_record(position, object_decoder.decode(data))
    except RecursionError:
        reason, field = TOO_DEEP, None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason, field = _reason(error)
    return Refusal(position, reason, data.decode("utf-8", "backslashreplace"), _readable_id(data), field)


class _Identified(msgspec.Struct):
    id: str


_identified_decoder = msgspec.json.Decoder(_Identified)


def _readable_id(data: bytes) -> str | None:
    """The id of a record that cannot be decoded; its other fields are skipped. None where the id is unreadable too."""
    try:
        return _identified_decoder.decode(data).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _to_record(position: int, value: JsonObject) -> Record | Refusal:
    text = canonical_json(value)
    try:
        milestone, last_updated_ts = _validated(value, text)
    except _InvalidRecordError as error:
        sent_id = value.get("id")
        return Refusal(
            position, error.reason, text.decode(), sent_id if isinstance(sent_id, str) else None, error.field
        )
    return Record(
        position=position,
        milestone_id=milestone.id,
        content_hash=content_hash(value, text),
        last_updated_ts=last_updated_ts,
        text=text.decode(),
        unknown_fields=frozenset(value.keys() - KNOWN_FIELDS),
        missing_fields=_missing(milestone),
    )


_expected = attrgetter(*EXPECTED_FIELDS)


def _missing(milestone: Milestone) -> tuple[str, ...]:
    """The names of the expected fields that have no value."""
    values = _expected(milestone)
    if None not in values:
        return ()
    return tuple(name for name, value in zip(EXPECTED_FIELDS, values, strict=True) if value is None)


class _InvalidRecordError(Exception):
    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def _validated(value: JsonObject, text: bytes) -> tuple[Milestone, int | None]:
    """The typed milestone and its `last_updated_ts`. Raises _InvalidRecordError."""
    if len(text) > MAX_RECORD_BYTES:
        raise _InvalidRecordError(f"larger than {MAX_RECORD_BYTES} bytes")
    # Counting brackets is cheap, and few records have enough of them to need the walk.
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and nesting_depth(value) > MAX_DEPTH:
        raise _InvalidRecordError(TOO_DEEP)
    try:
        milestone = msgspec.convert(value, Milestone)
    except msgspec.ValidationError as error:
        raise _InvalidRecordError(*_reason(error)) from error
    # An upper bound from length and commas is cheap, and few records reach it and need the walk.
    if (
        len(text) ** 2 > MAX_PATHS_LENGTH
        and len(text) * (text.count(b",") + 1) > MAX_PATHS_LENGTH
        and paths_length(milestone.details) > MAX_PATHS_LENGTH
    ):
        raise _InvalidRecordError(f"paths longer than {MAX_PATHS_LENGTH} characters together", "details")
    field = "start_date"
    try:
        parse_rfc3339(milestone.start_date)
        field = "end_date"
        if milestone.end_date is not None:
            parse_rfc3339(milestone.end_date)
        field = "last_updated_ts"
        return milestone, parse_rfc3339(milestone.last_updated_ts)
    except InvalidTime as error:
        raise _InvalidRecordError(str(error), field) from error


def is_json(text: str) -> bool:
    """Whether a text is JSON, so that a page put together with it can still be decoded."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return True


def nesting_depth(value: Any) -> int:
    """The nesting depth of objects and arrays, 0 for a scalar; iterative, since recursion has a limit."""
    deepest = 0
    stack = [(value, 1)]
    while stack:
        node, depth = stack.pop()
        if isinstance(node, dict):
            stack.extend((child, depth + 1) for child in node.values())
        elif isinstance(node, list):
            stack.extend((child, depth + 1) for child in node)
        else:
            continue
        deepest = max(deepest, depth)
    return deepest


def paths_length(details: Any) -> int:
    """The approximate length of the paths of all leaves together: quotes and escapes are not counted."""
    total = 0
    stack = [(details, 0)]
    while stack:
        node, length = stack.pop()
        if isinstance(node, dict) and node:
            stack.extend((child, length + len(key) + 1) for key, child in node.items())
        elif isinstance(node, list) and node:
            stack.extend((child, length + len("[0]")) for child in node)
        else:
            total += length
    return total


def _reason(error: Exception) -> tuple[str, str | None]:
    """The reason in msgspec's message and the field: `Expected `str`, got `int`` at `title`."""
    message = str(error)
    if missing := _MISSING_FIELD.search(message):
        return message, missing[1]
    if place := _PLACE_IN_MESSAGE.search(message):
        # For keys that it does not know, msgspec writes [...], which names no field.
        field = place[1].removesuffix("[...]")
        return message[: place.start()], None if not field or field.startswith("[") else field
    return message, None
