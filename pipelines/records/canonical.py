"""Canonical JSON and the content hash: one text for one content, whatever the order in which its keys came.

Keys sorted, no white space, numbers digit for digit (see `schemas.api.exact_number`), text as UTF-8. Exponents are
spelled one way (1e2 as 1E+2, 1e0 as 1) and the integer -0 is 0. Where a key comes twice the last one counts, here and
so in every table, since every table is made from this text.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from schemas.tables import HASH_LENGTH

LAST_UPDATED = "last_updated_ts"

_encoder = msgspec.json.Encoder(order="sorted", decimal_format="number")


def canonical_json(value: Any) -> bytes:
    """The canonical JSON text of a decoded value, UTF-8."""
    return _encoder.encode(value)


def content_hash(record: dict[str, Any], text: bytes | None = None) -> str:
    """Hash of everything in a milestone but `last_updated_ts`, which the API rewrites in bulk: 32 hex digits.

    `text` is the record's canonical JSON, where it is at hand.
    """
    content = _without_update(record, text) if text else None
    if content is None:
        content = _encoder.encode({key: value for key, value in record.items() if key != LAST_UPDATED})
    return hashlib.blake2b(content, digest_size=HASH_LENGTH // 2).hexdigest()


def _without_update(record: dict[str, Any], text: bytes) -> bytes | None:
    """The text with `last_updated_ts` cut out, which spares writing it anew; None where the place is not certain."""
    if LAST_UPDATED not in record:
        return text
    member = b'"%b":%b' % (LAST_UPDATED.encode(), _encoder.encode(record[LAST_UPDATED]))
    # The record's own member is in there: where there is one, it is that one, and none of a nested object's.
    if text.count(member) != 1:
        return None
    before, _, after = text.partition(member)
    return before + after[1:] if after.startswith(b",") else before.removesuffix(b",") + after
