"""Decodes the bytes of a page to records and rejected records: typed, strict, no value coerced.

A page is decoded in one pass, and record by record only where that fails, so that one bad record never costs its page.
A page that cannot be decoded at all raises `UndecodablePage`: a fault of the response, not of a record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from pipelines.records.canonical import LAST_UPDATED, canonical_json, content_hash
from pipelines.records.rfc3339 import InvalidTime, parse_rfc3339
from schemas.api import JsonObject, object_decoder, single_decoder
from schemas.endpoint import Endpoint
from schemas.endpoints import MILESTONES_ENDPOINT

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
    """One record as received.

    `position` counts from 0 on its page, `key` identifies it in its endpoint, `text` is its canonical JSON.
    `last_updated_ts` is in microseconds since 1970 UTC, None for the zero time and where it is absent. `unknown_fields`
    are top-level keys that the API does not document; `missing_fields` the expected ones that are absent or null.
    """

    position: int
    key: str
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
    key: str | None = None
    field: str | None = None


def decode_page(body: bytes, endpoint: Endpoint = MILESTONES_ENDPOINT) -> list[Record | Refusal]:
    """The records of a page of an endpoint, in order. Raises UndecodablePage."""
    try:
        values = endpoint.page_decoder.decode(body).records or ()
        return [_to_record(endpoint, position, value) for position, value in enumerate(values)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        raws = endpoint.raw_page_decoder.decode(body).records or []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodablePage(f"the body is not a page of {endpoint.title}: {error}") from error
    return [_decode_raw(endpoint, position, raw) for position, raw in enumerate(raws)]


def decode_single(body: bytes) -> Record | Refusal:
    """The milestone of a `GET /milestones/{milestone_id}` body. Raises UndecodablePage."""
    try:
        raw = single_decoder.decode(body).milestone
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UndecodablePage(f"the body is not a single milestone: {error}") from error
    return _decode_raw(MILESTONES_ENDPOINT, 0, raw)


def _decode_raw(endpoint: Endpoint, position: int, raw: msgspec.Raw) -> Record | Refusal:
    data = bytes(raw)
    try:
        return _to_record(endpoint, position, object_decoder.decode(data))
    except RecursionError:
        reason, field = TOO_DEEP, None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        reason, field = _reason(error)
    return Refusal(position, reason, data.decode("utf-8", "backslashreplace"), _readable_key(endpoint, data), field)


def _readable_key(endpoint: Endpoint, data: bytes) -> str | None:
    """The key of a record that cannot be decoded; its other fields are skipped. None where it is unreadable too."""
    try:
        key: str = endpoint.head_decoder.decode(data).key
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return key


def _to_record(endpoint: Endpoint, position: int, value: JsonObject) -> Record | Refusal:
    text = canonical_json(value)
    try:
        record, last_updated_ts = _validated(endpoint, value, text)
    except _InvalidRecordError as error:
        sent = value.get(endpoint.key)
        return Refusal(position, error.reason, text.decode(), sent if isinstance(sent, str) else None, error.field)
    return Record(
        position=position,
        key=getattr(record, endpoint.key),
        content_hash=content_hash(value, text, volatile=endpoint.volatile),
        last_updated_ts=last_updated_ts,
        text=text.decode(),
        unknown_fields=frozenset(value.keys() - endpoint.known_fields),
        missing_fields=tuple(name for name in endpoint.expected if getattr(record, name) is None),
    )


class _InvalidRecordError(Exception):
    def __init__(self, reason: str, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


def _validated(endpoint: Endpoint, value: JsonObject, text: bytes) -> tuple[msgspec.Struct, int | None]:
    """The typed record and its `last_updated_ts`. Raises _InvalidRecordError."""
    if len(text) > MAX_RECORD_BYTES:
        raise _InvalidRecordError(f"larger than {MAX_RECORD_BYTES} bytes")
    # Counting brackets is cheap, and few records have enough of them to need the walk.
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and nesting_depth(value) > MAX_DEPTH:
        raise _InvalidRecordError(TOO_DEEP)
    try:
        record: msgspec.Struct = msgspec.convert(value, endpoint.record)
    except msgspec.ValidationError as error:
        raise _InvalidRecordError(*_reason(error)) from error
    # An upper bound from length and commas is cheap, and few records reach it and need the walk.
    if (
        len(text) ** 2 > MAX_PATHS_LENGTH
        and len(text) * (text.count(b",") + 1) > MAX_PATHS_LENGTH
        and paths_length(value.get("details")) > MAX_PATHS_LENGTH
    ):
        raise _InvalidRecordError(f"paths longer than {MAX_PATHS_LENGTH} characters together", "details")
    last_updated_ts = None
    for field in endpoint.times:
        sent = getattr(record, field)
        if sent is None or (endpoint.has_empty_times and not sent):
            continue
        try:
            time = parse_rfc3339(sent)
        except InvalidTime as error:
            raise _InvalidRecordError(str(error), field) from error
        if field == LAST_UPDATED:
            last_updated_ts = time
    return record, last_updated_ts


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
