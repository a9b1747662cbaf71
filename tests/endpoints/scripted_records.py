"""An API of endpoints in memory: answers as bytes, parsed by the real reader, so that no network is needed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from pipelines.kalshi.faults import Parameters
from pipelines.kalshi.request_stats import RequestStats
from pipelines.kalshi.response import Response, page_reader
from schemas.endpoint import Endpoint
from tests.support import Clock

Records = dict[str, list[dict[str, Any]]]


class ScriptedRecords:
    """Serves `records` by name of the endpoint. `body` may give another body for a request, or raise."""

    def __init__(self, clock: Clock, **records: list[dict[str, Any]]) -> None:
        self.records: Records = records
        self.requests: list[str] = []
        self.stats = RequestStats()
        self.body: Callable[[Endpoint, Parameters], bytes | None] = lambda _endpoint, _parameters: None
        self._clock = clock

    def get_records(self, endpoint: Endpoint, parameters: Parameters) -> Response:
        self.requests.append(f"{endpoint.path}?{urlencode(parameters, doseq=True)}")
        self.stats.count(requests=1)
        body = self.body(endpoint, parameters) or self._answer(endpoint, parameters)
        content = page_reader(endpoint)(body)
        return Response(
            body=content.body,
            next_cursor=content.next_cursor,
            ids=content.ids,
            updates=content.updates,
            is_null=content.is_null,
            fetched_at=self._clock(),
            url_path=endpoint.path,
        )

    def _answer(self, endpoint: Endpoint, parameters: Parameters) -> bytes:
        rows = self.records.get(endpoint.name, [])
        by_keys, listing = endpoint.by_keys, endpoint.listing
        if by_keys is not None and by_keys.parameter in parameters:
            sent = parameters[by_keys.parameter]
            keys = sent if isinstance(sent, list) else sent.split(",")
            rows = [row for row in rows if row.get(endpoint.key) in keys]
        since = parameters.get("min_updated_ts")
        if since is not None:
            rows = [row for row in rows if row.get("last_updated_ts", "") >= _rfc3339(str(since))]
        size = len(rows)
        if listing is not None and listing.size:
            size = int(str(parameters[listing.size]))
        places = {self._cursor(endpoint, place, row): place for place, row in enumerate(rows, start=1)}
        first = places[str(parameters["cursor"])] if "cursor" in parameters else 0
        page = rows[first : first + size]
        is_last = first + size >= len(rows)
        cursor = "" if is_last else self._cursor(endpoint, first + size, page[-1])
        return msgspec.json.encode({endpoint.page_key: page, "cursor": cursor})

    def _cursor(self, endpoint: Endpoint, place: int, row: dict[str, Any]) -> str:
        """The cursor after a row: its key, or its place in the list."""
        is_key = endpoint.listing is not None and endpoint.listing.cursor_is_last_key
        return str(row.get(endpoint.key)) if is_key else str(place)


def _rfc3339(seconds: str) -> str:
    return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%dT%H:%M:%SZ}"
