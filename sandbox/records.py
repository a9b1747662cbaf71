"""Reads recorded responses as objects to serve: those in the JSON files of a folder, at any depth.

The bytes are kept as recorded, except for white space between tokens: numbers, escapes and the order of keys stay.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from sandbox.row import Row
from schemas.api import object_decoder

Kind = Literal["milestone", "live data", "event", "target"]

MARKS: dict[Kind, tuple[str, ...]] = {
    "milestone": ("id", "type", "primary_event_tickers"),
    "live data": ("milestone_id", "type", "details"),
    "event": ("event_ticker", "series_ticker"),
    "target": ("id", "type", "name"),
}
"""An object with all of these keys is of this kind; the first kind counts. The first key identifies it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Records:
    """Objects in the order of the file names, and one note for each skipped file or replaced object.

    `rows` are milestones; targets and live data are by id, events by ticker.
    """

    rows: tuple[bytes, ...]
    notes: tuple[str, ...]
    targets: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    events: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    live_datas: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


class _Found:
    """The objects found so far, by kind and name, with the name of their file."""

    def __init__(self) -> None:
        self.of_kind: dict[Kind, dict[str, tuple[str, bytes]]] = {kind: {} for kind in MARKS}

    def bodies(self, kind: Kind) -> dict[str, bytes]:
        return {name: body for name, (_, body) in self.of_kind[kind].items()}

    def keep(self, kind: Kind, file: str, body: bytes) -> Iterator[str]:
        """Keep an object; gives notes."""
        try:
            name = _name_of(kind, body)
        except (msgspec.DecodeError, ValueError) as error:
            yield f"{file}: {_with_article(kind)} that cannot be served, passed over ({error})"
            return
        found = self.of_kind[kind]
        if name in found:
            earlier, other = found[name]
            if object_decoder.decode(other) == object_decoder.decode(body):
                return
            yield f"{file}: {kind} {name} differs from {earlier}'s, which it replaces"
        found[name] = (file, body)


def read_records(folder: Path) -> Records:
    """Read every `*.json` file directly in the folder. Of an object recorded several times, the last file counts."""
    found = _Found()
    notes: list[str] = []
    for path in sorted(one for one in folder.iterdir() if one.is_file() and one.suffix == ".json"):
        try:
            objects = list(find_objects(path.read_text(encoding="utf-8").encode()))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            notes.append(f"{path.name}: not JSON, passed over ({error})")
            continue
        for kind, body in objects:
            notes.extend(found.keep(kind, path.name, body))
    return Records(
        tuple(found.bodies("milestone").values()),
        tuple(notes),
        targets=found.bodies("target"),
        events=found.bodies("event"),
        live_datas=found.bodies("live data"),
    )


def find_objects(document: bytes) -> Iterator[tuple[Kind, bytes]]:
    """The known objects at any depth of a JSON document, in order. Raises msgspec.DecodeError for broken JSON."""
    pending = [bytes(_value_decoder.decode(document))]
    while pending:
        value = pending.pop()
        if value[:1] == b"{":
            fields = _object_decoder.decode(value)
            kind = next((kind for kind, marks in MARKS.items() if all(mark in fields for mark in marks)), None)
            if kind is not None:
                yield kind, msgspec.json.format(value, indent=-1)
            else:
                pending.extend(bytes(field) for field in reversed(fields.values()))
        elif value[:1] == b"[":
            pending.extend(bytes(item) for item in reversed(_array_decoder.decode(value)))


def _name_of(kind: Kind, body: bytes) -> str:
    if kind == "milestone":
        return Row.of(body).position[1]
    return msgspec.convert(object_decoder.decode(body)[MARKS[kind][0]], str)


def _with_article(kind: Kind) -> str:
    return kind if kind == "live data" else f"an {kind}" if kind == "event" else f"a {kind}"


_value_decoder = msgspec.json.Decoder(msgspec.Raw)
_object_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])
