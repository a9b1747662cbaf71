"""Habits of the API that depart from its description, switched on one by one: none of them is known to be its own.

`Obstacles` keep an answer from the client; habits change what the answer says.
"""

from __future__ import annotations

import dataclasses

BAD_REQUEST = b'{"error":{"code":"bad_request","message":"bad request"}}'
"""How a parameter is refused without naming it, as users report."""


@dataclasses.dataclass(slots=True)
class Habits:
    """Changeable while the server runs.

    `ignores` are parameters that it takes no notice of. The next `refused_cursors` requests with a cursor (None: all)
    are answered with `cursor_status` and BAD_REQUEST, and so is a `limit` beyond `page_limit` with 400 (None: as
    described). With `null_lists` an empty list is null. `cursor_field` is where the cursor of the next page is given.
    """

    ignores: frozenset[str] = frozenset()
    refused_cursors: int | None = 0
    cursor_status: int = 400
    page_limit: int | None = None
    null_lists: bool = False
    cursor_field: str = "cursor"

    def refusal(self, parameters: dict[str, str]) -> int | None:
        """The status that a request is refused with, if it is; uses up one refused cursor."""
        if parameters.get("cursor") and self.refused_cursors != 0:
            if self.refused_cursors is not None:
                self.refused_cursors -= 1
            return self.cursor_status
        limit = parameters.get("limit", "")
        is_beyond = self.page_limit is not None and limit.isdecimal() and int(limit) > self.page_limit
        return 400 if is_beyond else None

    def heard(self, parameters: dict[str, str]) -> dict[str, str]:
        """The parameters that it takes notice of."""
        return {name: value for name, value in parameters.items() if name not in self.ignores}
