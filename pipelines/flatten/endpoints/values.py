"""Values of records as columns: texts, numbers, JSON text."""

from __future__ import annotations

import decimal
import math
from typing import Any

from pipelines.records.canonical import canonical_json
from schemas.api import JsonObject
from schemas.endpoint import Endpoint


def text(value: Any) -> str | None:
    """A text that is not empty, else None."""
    return value if isinstance(value, str) and value else None


def json_text(value: Any) -> str | None:
    """Canonical JSON text; None for None."""
    return None if value is None else canonical_json(value).decode()


def number(value: Any) -> float | None:
    """A number as a double, also from a text that is a number; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | decimal.Decimal | str):
        return None
    try:
        result = float(value)
    except (ValueError, OverflowError):
        return None
    return result if math.isfinite(result) else None


def extra(endpoint: Endpoint, record: JsonObject) -> str | None:
    """The fields that the endpoint does not know, as JSON text; None if there are none."""
    return json_text({name: record[name] for name in record.keys() - endpoint.known_fields} or None)
