"""What changed between two versions of a milestone: one row a field, tickers added and removed one row each."""

from __future__ import annotations

from typing import Any, NamedTuple

from pipelines.flatten.details import leaves
from pipelines.records.canonical import LAST_UPDATED, canonical_json
from pipelines.records.rfc3339 import parse_rfc3339, rfc3339

TICKER_FIELDS = ("primary_event_tickers", "related_event_tickers")
TIME_FIELDS = ("end_date", "start_date")


class Change(NamedTuple):
    """One field, before and after, as text; None where there is no value."""

    field: str
    old: str | None
    new: str | None


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Every difference, by field. Times count as equal when they mean the same moment, null and absent as the same."""
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
    """Every leaf of a record that is compared by path, as kind and text; nulls are left out."""
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
        # The same tickers in another order, or one twice: worth a row, since it made a version.
        return [Change(field, canonical_json(old).decode(), canonical_json(new).decode())]
    return [Change(field, ticker, None) for ticker in removed] + [Change(field, None, ticker) for ticker in added]
