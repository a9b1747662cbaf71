"""What the stores of siblings share: the rows they are computed from, edits on command, pages, changes.

Everything is computed from the rows when asked for; only recorded objects and edits are stored. The index of names is
built on the first request, in about a second per hundred thousand milestones.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from sandbox.rfc3339 import format_micros
from sandbox.row import Row
from sandbox.siblings.index import NameIndex

P = TypeVar("P")


class UnknownNameError(KeyError):
    """The sibling endpoints know no target, event, series or live data of this name."""


@dataclasses.dataclass(frozen=True, slots=True)
class SiblingChange:
    """A change of a target or an event: its id or ticker, and its bytes before and after."""

    kind: str
    name: str
    before: bytes
    after: bytes


@dataclasses.dataclass(frozen=True, slots=True)
class PageOf(Generic[P]):
    """The bodies of one page, and the position to go on from (None: nothing follows)."""

    bodies: list[bytes]
    next_position: P | None


class Source:
    """What siblings are computed from: a world's rows by id and in order, its lock, and its clock in microseconds.

    `rows` and `order` must be the world's own, so that changes are seen; they are read under `lock`.
    """

    def __init__(
        self,
        rows: Mapping[str, Row],
        order: Sequence[Row],
        lock: threading.RLock,
        now_micros: Callable[[], int],
    ) -> None:
        self.rows = rows
        self.order = order
        self.lock = lock
        self.now_micros = now_micros
        self.made_micros = now_micros()
        self._index: NameIndex | None = None

    @property
    def index(self) -> NameIndex:
        """The names in all rows; built when first used."""
        if self._index is None:
            self._index = NameIndex(self.order)
        return self._index

    def note(self, row: Row) -> None:
        """Learn the names of a new or changed row."""
        if self._index is not None:
            self._index.note(row)

    def load(self) -> None:
        """Rows were added in bulk: the index is built anew when next used."""
        self._index = None


class Edits:
    """Recorded objects by name, and fields that were changed on command: both replace what is computed."""

    def __init__(self) -> None:
        self.recorded: dict[str, bytes] = {}
        self._fields: dict[str, dict[str, Any]] = {}
        self._micros: dict[str, int] = {}

    def change(self, name: str, micros: int, /, **fields: Any) -> None:
        """Replace top-level fields of an object, at a time in microseconds since 1970."""
        self._fields.setdefault(name, {}).update(fields)
        self._micros[name] = micros

    def names(self) -> list[str]:
        """The names of the changed objects."""
        return list(self._fields)

    def value(self, name: str, field: str) -> Any:
        """The changed value of a field; None if it was not changed."""
        return self._fields.get(name, {}).get(field)

    def updated(self, name: str, otherwise_micros: int) -> int:
        """When the object was changed last, in microseconds since 1970."""
        return max(self._micros.get(name, otherwise_micros), otherwise_micros)

    def applied(self, name: str, body: bytes, updated_micros: int = 0) -> bytes:
        """The object with its changed fields; the others keep their bytes. `updated_micros`: changed without edits."""
        if name not in self._fields:
            return body
        stamp = format_micros(self.updated(name, updated_micros))
        return msgspec.json.encode({**_fields_decoder.decode(body), **self._fields[name], "last_updated_ts": stamp})


_fields_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])
