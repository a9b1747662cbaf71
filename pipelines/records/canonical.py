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


def content_hash(record: dict[str, Any]) -> str:
    """Hash of everything in a milestone but `last_updated_ts`, which the API rewrites in bulk: 32 hex digits."""
    content = {key: value for key, value in record.items() if key != LAST_UPDATED}
    return hashlib.blake2b(_encoder.encode(content), digest_size=HASH_LENGTH // 2).hexdigest()
