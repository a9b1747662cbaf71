"""The structured targets of a world: every id that a milestone names or named, and the recorded ones."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections.abc import Iterable, Mapping

import msgspec

from sandbox.siblings.chance import is_unknown
from sandbox.siblings.store import Edits, PageOf, SiblingChange, Source, UnknownNameError
from sandbox.siblings.targets import target_of


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TargetQuery:
    """The parameters of one page; None: no such filter. `after` is the last id of the page before."""

    page_size: int
    after: str = ""
    ids: tuple[str, ...] | None = None
    type: str | None = None
    competition: str | None = None


class _Head(msgspec.Struct):
    """The fields of a recorded target that filters compare; it has no competition of its own."""

    type: str | None = None


class Targets:
    """Read and changed under the world's lock; ordered by id."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._edits = Edits()
        self._ids: list[str] = []
        self._ids_of = (-1, -1)

    def record(self, bodies: Mapping[str, bytes]) -> None:
        """Serve recorded targets, by id."""
        self._edits.recorded |= bodies

    def ids(self) -> list[str]:
        """The ids of all targets, in order."""
        with self._source.lock:
            known, recorded = self._source.index.targets, self._edits.recorded
            # Targets are only ever added.
            if self._ids_of != (sizes := (len(known), len(recorded))):
                self._ids = sorted({one for one in known if not is_unknown(one)} | recorded.keys())
                self._ids_of = sizes
            return self._ids

    def get(self, target_id: str) -> bytes:
        """One target. Raises UnknownNameError."""
        with self._source.lock:
            body = self._edits.recorded.get(target_id)
            if body is None:
                known = self._source.index.targets.get(target_id)
                if known is None or is_unknown(target_id):
                    raise UnknownNameError(target_id)
                body = msgspec.json.encode(target_of(target_id, known, self._source.made_micros))
            return self._edits.applied(target_id, body)

    def page(self, query: TargetQuery) -> PageOf[str]:
        """The first `page_size` targets after an id that satisfy every filter."""
        with self._source.lock:
            found = list(itertools.islice(self._matches(query), query.page_size + 1))
            more = len(found) > query.page_size
            del found[query.page_size :]
            return PageOf([self.get(one) for one in found], found[-1] if more else None)

    def rename(self, target_id: str, name: str) -> SiblingChange:
        """Change the name. Raises UnknownNameError."""
        with self._source.lock:
            before = self.get(target_id)
            self._edits.change(target_id, self._source.now_micros(), name=name)
            return SiblingChange("rename_target", target_id, before, self.get(target_id))

    def _matches(self, query: TargetQuery) -> Iterable[str]:
        ids = self.ids()
        if query.ids is not None:
            wanted = set(query.ids)
            found: Iterable[str] = sorted(wanted.intersection(ids))
            found = (one for one in found if one > query.after)
        else:
            found = itertools.islice(ids, bisect.bisect_right(ids, query.after), None)
        return (one for one in found if self._passes(one, query))

    def _passes(self, target_id: str, query: TargetQuery) -> bool:
        if query.type is None and query.competition is None:
            return True
        known = self._source.index.targets.get(target_id)
        competition = "" if known is None else known.competition
        kind = None if known is None else known.type
        if (recorded := self._edits.recorded.get(target_id)) is not None:
            kind = _head_decoder.decode(recorded).type
        return query.type in (None, kind) and query.competition in (None, competition)


_head_decoder = msgspec.json.Decoder(_Head)
