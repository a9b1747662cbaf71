"""The live data of a world's milestones, computed for the time at which they are read, and the recorded ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from sandbox.siblings.live import live_data_of
from sandbox.siblings.store import Source, UnknownNameError


class LiveDatas:
    """Read under the world's lock."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._recorded: dict[str, bytes] = {}

    def record(self, bodies: Mapping[str, bytes]) -> None:
        """Serve recorded live data, by milestone id."""
        self._recorded |= bodies

    def get(self, milestone_id: str) -> bytes:
        """The live data of one milestone. Raises UnknownNameError if it has none now."""
        if (recorded := self._recorded.get(milestone_id)) is not None:
            return recorded
        with self._source.lock:
            row = self._source.rows.get(milestone_id)
        found = None if row is None else live_data_of(row, self._source.now_micros())
        if found is None:
            raise UnknownNameError(milestone_id)
        return msgspec.json.encode(found)

    def find(self, milestone_ids: Iterable[str]) -> list[bytes]:
        """The live data of those that have some, once each, in the order asked for."""
        found = []
        for milestone_id in dict.fromkeys(milestone_ids):
            try:
                found.append(self.get(milestone_id))
            except UnknownNameError:
                continue
        return found
