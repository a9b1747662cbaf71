"""The HTTP endpoints of the objects beside milestones: structured targets, events, series and live data. GET only."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.cursor import encode_cursor
from sandbox.habits import BAD_REQUEST, Habits
from sandbox.query import BadParameterError
from sandbox.responses import NOT_FOUND, as_json, refusing
from sandbox.sibling_query import (
    Pairs,
    first_values,
    is_true,
    parse_events,
    parse_live_datas,
    parse_series,
    parse_targets,
)
from sandbox.siblings.store import UnknownNameError
from sandbox.world import World

URL_BYTES_MAX = 8_192
"""Longer URLs, path and query together, get 414."""

TOO_LONG = b'{"code":"uri_too_long","message":"URI too long","details":""}'


class SiblingEndpoints:
    """The handlers. They run in the event loop, as those of milestones do."""

    def __init__(self, world: World, habits: Habits) -> None:
        self._siblings = world.siblings
        self._habits = habits

    def routes(self, root: str) -> list[Route]:
        """The routes below a root path."""
        siblings = self._siblings
        return [
            Route(f"{root}/structured_targets", self._answering(self._targets)),
            Route(f"{root}/structured_targets/{{name}}", self._one("structured_target", siblings.targets.get)),
            Route(f"{root}/events", self._answering(self._events)),
            Route(f"{root}/events/{{name}}", self._one("event", siblings.events.get, b',"markets":[]')),
            Route(f"{root}/series", self._answering(self._series)),
            Route(f"{root}/series/{{name}}", self._one("series", siblings.series.get)),
            Route(f"{root}/live_data/batch", self._answering(self._live_datas)),
            Route(f"{root}/live_data/milestone/{{name}}", self._one("live_data", siblings.live_datas.get)),
        ]

    def _answering(self, answer: Callable[[Pairs], bytes]) -> Callable[[Request], object]:
        """A handler of a list: `answer` gets the parameters and gives the body, or raises BadParameterError."""

        async def handle(request: Request) -> Response:
            if len(request.url.path) + len(request.url.query) > URL_BYTES_MAX:
                return as_json(TOO_LONG, 414)
            pairs = request.query_params.multi_items()
            if (status := self._habits.refusal(first_values(pairs))) is not None:
                return as_json(BAD_REQUEST, status)
            try:
                return as_json(answer([(name, value) for name, value in pairs if name not in self._habits.ignores]))
            except BadParameterError as error:
                return refusing(error)

        return handle

    @staticmethod
    def _one(field: str, get: Callable[[str], bytes], more: bytes = b"") -> Callable[[Request], object]:
        """A handler of one object; `more` are further fields of its answer."""

        async def handle(request: Request) -> Response:
            try:
                return as_json(b'{"%b":%b%b}' % (field.encode(), get(request.path_params["name"]), more))
            except UnknownNameError:
                return as_json(NOT_FOUND, 404)

        return handle

    def _targets(self, pairs: Pairs) -> bytes:
        page = self._siblings.targets.page(parse_targets(pairs))
        return self._habits.page("structured_targets", page.bodies, page.next_position or "")

    def _events(self, pairs: Pairs) -> bytes:
        page = self._siblings.events.page(parse_events(pairs))
        bodies = page.bodies
        milestones = self._siblings.events.milestones(bodies) if is_true(pairs, "with_milestones") else []
        if is_true(pairs, "with_nested_markets"):
            bodies = [b'%b,"markets":[]}' % body.removesuffix(b"}") for body in bodies]
        cursor = "" if page.next_position is None else encode_cursor(page.next_position)
        return self._habits.page("events", bodies, cursor, milestones=milestones)

    def _series(self, pairs: Pairs) -> bytes:
        return b'{"series":%b}' % self._habits.array(self._siblings.series.find(parse_series(pairs)))

    def _live_datas(self, pairs: Pairs) -> bytes:
        ids = parse_live_datas(pairs)
        # Ids joined by a comma are not understood, and not refused either.
        if any("," in one for one in ids):
            return b'{"live_datas":null}'
        return b'{"live_datas":%b}' % self._habits.array(self._siblings.live_datas.find(ids))
