"""Deviations of the API from its description, switched on one by one; none of them has been seen live.

`obstacles` make requests fail; habits change the content of successful responses and which requests are refused.
`HABITS` are those that nobody has ruled out yet, by the name that `milestones sandbox --habit` takes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sandbox.query import Query
from sandbox.world import Order

BAD_REQUEST = b'{"error":{"code":"bad_request","message":"bad request"}}'
"""A refusal that does not name the parameter, as users report it."""


@dataclasses.dataclass(slots=True)
class Habits:
    """May be changed while the server runs.

    `ignores` are parameters that have no effect. The next `refused_cursors` requests with a cursor (None: all) get
    `cursor_status` and BAD_REQUEST; a `limit` beyond `page_limit` (None: the documented one) gets 400 and BAD_REQUEST.
    With `null_lists` an empty list is null. `cursor_field` is the name of the field with the next cursor, which the
    last page lacks with `absent_cursor`. They apply to every endpoint. With `no_competitions` the filter of milestones
    by competition finds nothing, as was measured once; users report that it works. `competition_codes` are the names
    in `details` by the code that the filter takes: EPL may mean "Premier League".

    `order` is that of the list of milestones; its pages have `page_rows` rows at most, whatever `limit` says (None: as
    many). `min_updated_ts` leaves its own second out, or not with `updates_inclusive`; `minimum_start_date` includes
    it, or not with `starts_exclusive`. A cursor that was given more than `cursor_seconds` ago, by `clock`, is refused
    (None: it never expires).
    """

    ignores: frozenset[str] = frozenset()
    refused_cursors: int | None = 0
    cursor_status: int = 400
    page_limit: int | None = None
    null_lists: bool = False
    cursor_field: str = "cursor"
    absent_cursor: bool = False
    no_competitions: bool = False
    competition_codes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    order: Order = "start"
    page_rows: int | None = None
    updates_inclusive: bool = False
    starts_exclusive: bool = False
    cursor_seconds: float | None = None
    clock: Callable[[], float] = time.monotonic
    _given: dict[str, float] = dataclasses.field(default_factory=dict)

    def refusal(self, parameters: dict[str, str]) -> int | None:
        """The status of a refused request, None for an accepted one; counts down refused cursors."""
        cursor = parameters.get("cursor")
        if cursor and self.refused_cursors != 0:
            if self.refused_cursors is not None:
                self.refused_cursors -= 1
            return self.cursor_status
        if cursor and self._has_expired(cursor):
            return self.cursor_status
        limit = parameters.get("limit", "")
        is_beyond = self.page_limit is not None and limit.isdecimal() and int(limit) > self.page_limit
        return 400 if is_beyond else None

    def heard(self, parameters: dict[str, str]) -> dict[str, str]:
        """The parameters that are not ignored, with the name of a competition for its code."""
        heard = {name: value for name, value in parameters.items() if name not in self.ignores}
        if (code := heard.get("competition")) is not None:
            heard["competition"] = self.competition_codes.get(code, code)
        return heard

    def applied(self, query: Query) -> Query:
        """The query of milestones as the API understands it."""
        start, update = query.minimum_start, query.updated_after_micros
        return dataclasses.replace(
            query,
            limit=query.limit if self.page_rows is None else min(query.limit, self.page_rows),
            minimum_start=start + 1 if start is not None and self.starts_exclusive else start,
            updated_after_micros=update - 1 if update is not None and self.updates_inclusive else update,
        )

    def page(self, field: str, bodies: Sequence[bytes], cursor: str, **others: Sequence[bytes]) -> bytes:
        """The body of a page: its list, further lists, and the cursor of the next page ("": the last one)."""
        lists = [b'"%b":%b' % (name.encode(), self.array(items)) for name, items in {field: bodies, **others}.items()]
        if cursor and self.cursor_seconds is not None:
            self._given[cursor] = self.clock()
        if cursor or not self.absent_cursor:
            lists.append(b'"%b":"%b"' % (self.cursor_field.encode(), cursor.encode()))
        return b"{%b}" % b",".join(lists)

    def array(self, bodies: Sequence[bytes]) -> bytes:
        """A list of objects."""
        return b"[%b]" % b",".join(bodies) if bodies or not self.null_lists else b"null"

    def _has_expired(self, cursor: str) -> bool:
        given = self._given.get(cursor)
        return self.cursor_seconds is not None and (given is None or self.clock() - given > self.cursor_seconds)


HABITS: Mapping[str, Mapping[str, Any]] = {
    "order-descending": {"order": "start descending"},
    "order-by-id": {"order": "id"},
    "order-by-update": {"order": "update"},
    "updates-inclusive": {"updates_inclusive": True},
    "starts-exclusive": {"starts_exclusive": True},
    "short-pages": {"page_rows": 7},
    "small-limit": {"page_limit": 100},
    "cursors-expire": {"cursor_seconds": 60.0, "cursor_status": 410},
    "cursors-refused-once": {"refused_cursors": 1},
    "last-page-without-cursor": {"absent_cursor": True},
    "next-cursor": {"cursor_field": "next_cursor"},
    "null-lists": {"null_lists": True},
    "no-competitions": {"no_competitions": True},
    **{
        f"ignores-{name.replace('_', '-')}": {"ignores": frozenset({name})}
        for name in ("minimum_start_date", "min_updated_ts", "category", "type", "source_id", "related_event_ticker")
    },
}
"""The arguments of `Habits`, by name."""


class UnknownHabitError(ValueError):
    """No habit has this name; the message lists those there are."""


def habits_of(names: Iterable[str]) -> Habits:
    """Several habits together. Raises UnknownHabitError."""
    arguments: dict[str, Any] = {}
    for name in names:
        if name not in HABITS:
            raise UnknownHabitError(f"{name} is no habit of the sandbox; these are: {', '.join(HABITS)}")
        for field, value in HABITS[name].items():
            arguments[field] = arguments.get(field, frozenset()) | value if field == "ignores" else value
    return Habits(**arguments)
