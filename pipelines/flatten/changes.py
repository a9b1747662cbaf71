"""The changes between two versions of a milestone: one per field, one per ticker added or removed."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipelines.flatten.details import leaves
from pipelines.records.canonical import LAST_UPDATED, canonical_json
from pipelines.records.rfc3339 import parse_rfc3339, rfc3339

TICKER_FIELDS = ("primary_event_tickers", "related_event_tickers")
TIME_FIELDS = ("end_date", "start_date")


class Change(NamedTuple):
    """One field with its old and new value as text; None where there is no value."""

    field: str
    old: str | None
    new: str | None


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Every change, ordered by field. Times are equal if they mean the same moment; null equals absent."""
    before, after = _values(old), _values(new)
    found = [
        Change(field, _text(before.get(field)), _text(after.get(field)))
        for field in sorted(before.keys() | after.keys())
        if before.get(field) != after.get(field)
    ]
    for field in TICKER_FIELDS:
        found += _ticker_changes(field, old.get(field) or [], new.get(field) or [])
    return sorted(found, key=lambda change: (change.field, change.new is not None, change.old or change.new or ""))


def _values(record: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """The leaves of a record that are compared by path, as kind and text; nulls are left out."""
    compared = {name: value for name, value in record.items() if name not in (*TICKER_FIELDS, LAST_UPDATED)}
    for field in TIME_FIELDS:
        if compared.get(field) is not None:
            compared[field] = rfc3339(parse_rfc3339(compared[field]))
    return {leaf.path: (leaf.kind, leaf.value) for leaf in leaves(compared) if leaf.kind != "null"}


def _text(value: tuple[str, str | None] | None) -> str | None:
    if value is None:
        return None
    kind, text = value
    return {"empty_object": "{}", "empty_array": "[]"}.get(kind, text)


def _ticker_changes(field: str, old: list[str], new: list[str]) -> list[Change]:
    removed, added = set(old) - set(new), set(new) - set(old)
    if not removed and not added and old != new:
        # The same tickers in another order, or one repeated: it made a version, so it needs a row.
        return [Change(field, canonical_json(old).decode(), canonical_json(new).decode())]
    return [Change(field, ticker, None) for ticker in removed] + [Change(field, None, ticker) for ticker in added]
