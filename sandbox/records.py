"""Reads recorded responses as rows to serve: every milestone in the JSON files of a folder, at any depth.

The bytes are kept as recorded, except for white space between tokens: numbers, escapes and the order of keys stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sandbox.row import Row
from schemas.api import object_decoder

MARKS = ("id", "type", "primary_event_tickers")
"""An object with all of these keys is a milestone."""


@dataclasses.dataclass(frozen=True, slots=True)
class Records:
    """Rows in the order of the file names, and one note for each skipped file or replaced row."""

    rows: tuple[bytes, ...]
    notes: tuple[str, ...]


def read_records(folder: Path) -> Records:
    """Read every `*.json` file directly in the folder. For an id recorded several times, the last file counts."""
    found: dict[str, tuple[str, bytes]] = {}
    notes: list[str] = []
    for path in sorted(one for one in folder.iterdir() if one.is_file() and one.suffix == ".json"):
        try:
            rows = list(find_milestones(path.read_text(encoding="utf-8").encode()))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            notes.append(f"{path.name}: not JSON, passed over ({error})")
            continue
        for body in rows:
            notes.extend(_keep(found, path.name, body))
    return Records(tuple(body for _, body in found.values()), tuple(notes))


def find_milestones(document: bytes) -> Iterator[bytes]:
    """The milestones at any depth of a JSON document, in order. Raises msgspec.DecodeError for broken JSON."""
    pending = [bytes(_value_decoder.decode(document))]
    while pending:
        value = pending.pop()
        if value[:1] == b"{":
            fields = _object_decoder.decode(value)
            if all(mark in fields for mark in MARKS):
                yield msgspec.json.format(value, indent=-1)
            else:
                pending.extend(bytes(field) for field in reversed(fields.values()))
        elif value[:1] == b"[":
            pending.extend(bytes(item) for item in reversed(_array_decoder.decode(value)))


def _keep(found: dict[str, tuple[str, bytes]], name: str, body: bytes) -> Iterator[str]:
    try:
        milestone_id = Row.of(body).position[1]
    except (msgspec.DecodeError, ValueError) as error:
        yield f"{name}: a milestone that cannot be served, passed over ({error})"
        return
    if milestone_id in found:
        earlier, other = found[milestone_id]
        if object_decoder.decode(other) == object_decoder.decode(body):
            return
        yield f"{name}: milestone {milestone_id} differs from {earlier}'s, which it replaces"
    found[milestone_id] = (name, body)


_value_decoder = msgspec.json.Decoder(msgspec.Raw)
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])
