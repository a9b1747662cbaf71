"""Deviations of the API from its description, switched on one by one; none of them has been seen live.

`obstacles` make requests fail; habits change the content of successful responses and which requests are refused.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

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

    def refusal(self, parameters: dict[str, str]) -> int | None:
        """The status of a refused request, None for an accepted one; counts down refused cursors."""
        if parameters.get("cursor") and self.refused_cursors != 0:
            if self.refused_cursors is not None:
                self.refused_cursors -= 1
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

    def page(self, field: str, bodies: Sequence[bytes], cursor: str, **others: Sequence[bytes]) -> bytes:
        """The body of a page: its list, further lists, and the cursor of the next page ("": the last one)."""
        lists = [b'"%b":%b' % (name.encode(), self.array(items)) for name, items in {field: bodies, **others}.items()]
        if cursor or not self.absent_cursor:
            lists.append(b'"%b":"%b"' % (self.cursor_field.encode(), cursor.encode()))
        return b"{%b}" % b",".join(lists)

    def array(self, bodies: Sequence[bytes]) -> bytes:
        """A list of objects."""
        return b"[%b]" % b",".join(bodies) if bodies or not self.null_lists else b"null"
