"""Stand-ins for the API without HTTP: a scripted one, and one that reads a sandbox world."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from pipelines.kalshi.errors import InvalidCursor, NotFound
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.response import Response, read_page, read_single
from pipelines.kalshi.scans import Fetched
from sandbox.cursor import encode_cursor
from sandbox.query import parse_query
from sandbox.world import World
from tests.support import NOON, milestone, page_body

QUERY = MilestoneQuery(limit=2)
Play = bytes | Exception


class ScriptedApi:
    """Returns one response or raises one error per request, in order; `requests` are (min_updated_ts, cursor)."""

    def __init__(self, *script: Play, singles: dict[str, Play] | None = None) -> None:
        self._script: Iterator[Play] = iter(script)
        self._singles = singles or {}
        self.requests: list[tuple[int | None, str | None]] = []

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        self.requests.append((query.min_updated_ts, cursor))
        play = next(self._script)
        if isinstance(play, Exception):
            raise play
        return response(play)

    def get_milestone(self, milestone_id: str) -> Response:
        if milestone_id not in self._singles:
            raise NotFound(f"https://api.test/milestones/{milestone_id}", status=404)
        play = self._singles[milestone_id]
        if isinstance(play, Exception):
            raise play
        content = read_single(play)
        return Response(
            body=content.body,
            next_cursor=None,
            ids=content.ids,
            fetched_at=NOON,
            url_path=f"/milestones/{milestone_id}",
        )


def response(body: bytes) -> Response:
    content = read_page(body)
    return Response(
        body=content.body,
        next_cursor=content.next_cursor,
        ids=content.ids,
        starts=content.starts,
        updates=content.updates,
        categories=content.categories,
        types=content.types,
        fetched_at=NOON,
        url_path="/milestones",
    )


class WorldApi:
    """Reads a sandbox world without HTTP; `before_page` may change it before each page, as it happens live."""

    def __init__(self, world: World, before_page: Callable[[int], None] = lambda _: None) -> None:
        self._world = world
        self._before_page = before_page
        self.pages = 0

    def list_page(self, query: MilestoneQuery, cursor: str | None = None) -> Response:
        self.pages += 1
        self._before_page(self.pages)
        found = self._world.page(parse_query(query.params(cursor)))
        following = "" if found.next_position is None else encode_cursor(found.next_position)
        return response(page_body([json.loads(body) for body in found.bodies], following))

    def get_milestone(self, milestone_id: str) -> Response:
        raise NotImplementedError


def page(*numbers: int, cursor: str | None = "", **fields: Any) -> bytes:
    return page_body([milestone(number, **fields) for number in numbers], cursor)


def fresh(*numbers: int, cursor: str | None = "", **fields: Any) -> bytes:
    """A page of milestones that were updated while the sweep ran."""
    return page(*numbers, cursor=cursor, **{"last_updated_ts": "2026-11-23T12:00:00.5Z", **fields})


def ids_of(fetched: list[Fetched]) -> list[str]:
    return [one for each in fetched for one in each.response.ids]


def invalid_cursor() -> InvalidCursor:
    return InvalidCursor("https://api.test/milestones", status=400, detail="Invalid cursor")
