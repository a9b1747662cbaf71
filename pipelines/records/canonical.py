"""Canonical JSON and the content hash: equal content gives equal text, whatever the order of its keys.

Keys are sorted, there is no white space, numbers keep their digits (see `schemas.api.exact_number`), text is UTF-8.
Exponents have one spelling (1e2 is 1E+2, 1e0 is 1) and the integer -0 is 0. Of a duplicate key the last one counts;
this holds in every table, since every table is derived from this text.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from schemas.columns import HASH_LENGTH

LAST_UPDATED = "last_updated_ts"

_encoder = msgspec.json.Encoder(order="sorted", decimal_format="number")


def canonical_json(value: Any) -> bytes:
    """The canonical JSON text of a decoded value, UTF-8."""
    return _encoder.encode(value)


def content_hash(
    record: dict[str, Any], text: bytes | None = None, *, volatile: tuple[tuple[str, ...], ...] = ((LAST_UPDATED,),)
) -> str:
    """blake2b-128 of a record without its volatile fields, such as `last_updated_ts`: 32 hex digits.

    The API rewrites `last_updated_ts` in bulk. `volatile` are paths of fields. `text` is the record's canonical JSON,
    if already encoded: it saves encoding the record again.
    """
    content = _without_update(record, text) if text and volatile == ((LAST_UPDATED,),) else None
    if content is None:
        for path in volatile:
            record = _without(record, path)
        content = _encoder.encode(record)
    return hashlib.blake2b(content, digest_size=HASH_LENGTH // 2).hexdigest()


def _without(value: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """The object without the field at a path."""
    name, *rest = path
    if not rest:
        return {key: member for key, member in value.items() if key != name}
    inner = value.get(name)
    return value | {name: _without(inner, tuple(rest))} if isinstance(inner, dict) else value


def _without_update(record: dict[str, Any], text: bytes) -> bytes | None:
    """The text with `last_updated_ts` cut out, which is faster than encoding again; None where it is ambiguous."""
    if LAST_UPDATED not in record:
        return text
    member = b'"%b":%b' % (LAST_UPDATED.encode(), _encoder.encode(record[LAST_UPDATED]))
    # The record's own member is in the text: if there is exactly one, it is not that of a nested object.
    if text.count(member) != 1:
        return None
    before, _, after = text.partition(member)
    return before + after[1:] if after.startswith(b",") else before.removesuffix(b",") + after
