"""The sandbox as an app: the milestone endpoints, with responses and errors as recorded, and their siblings.

Bodies are joined from the world's bytes without decoding them. Error bodies have the live API's different shapes on
purpose.
"""

from __future__ import annotations

import collections
import time
from collections.abc import Callable

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sandbox.cursor import encode_cursor
from sandbox.habits import BAD_REQUEST, Habits
from sandbox.obstacles import Exchange, Faults, Obstacles, TokenBucket
from sandbox.query import BadParameterError, parse_query
from sandbox.responses import NOT_FOUND, as_json, refusing
from sandbox.sibling_endpoints import SiblingEndpoints
from sandbox.world import PageOfRows, UnknownMilestoneError, World

API_ROOT = "/trade-api/v2"
LIST_PATH = f"{API_ROOT}/milestones"

DEFAULT_BURST = 3.0
"""The burst of the rate limit, in seconds at the full rate, as measured on a basic account."""

LOG_LENGTH_MAX = 100_000
GZIP_LEVEL = 1
GZIP_BYTES_MIN = 1_000


def build_app(
    world: World,
    *,
    requests_per_second: float | None = None,
    burst: float | None = None,
    latency_seconds: float = 0,
    faults: Faults | None = None,
    habits: Habits | None = None,
    on_crawl: Callable[[], object] = lambda: None,
    clock: Callable[[], float] = time.monotonic,
) -> Starlette:
    """An app that serves a world. Without `requests_per_second` there is no rate limit; `burst` is in requests.

    `on_crawl` is called before the first page of the whole list is sent, when a scan begins. Tests use
    `app.state.world`, `app.state.faults`, `app.state.habits` and `app.state.log` (one Exchange per request).
    """
    bucket = None
    if requests_per_second is not None:
        capacity = max(1.0, requests_per_second * DEFAULT_BURST) if burst is None else burst
        bucket = TokenBucket(requests_per_second, capacity, clock)
    faults = faults or Faults()
    habits = habits or Habits()
    log: collections.deque[Exchange] = collections.deque(maxlen=LOG_LENGTH_MAX)
    endpoints = _Endpoints(world, habits, on_crawl)
    app = Starlette(
        routes=[
            Route(LIST_PATH, endpoints.list_milestones),
            Route(f"{LIST_PATH}/{{milestone_id}}", endpoints.get_milestone),
            *SiblingEndpoints(world, habits).routes(API_ROOT),
        ],
        middleware=[
            Middleware(
                Obstacles,
                root=API_ROOT,
                bucket=bucket,
                latency_seconds=latency_seconds,
                faults=faults,
                log=log,
            ),
            Middleware(GZipMiddleware, minimum_size=GZIP_BYTES_MIN, compresslevel=GZIP_LEVEL),
        ],
        exception_handlers={HTTPException: _refused},
    )
    # Starlette redirects with 307; the live API with 301, which _refused does.
    app.router.redirect_slashes = False
    app.state.world = world
    app.state.faults = faults
    app.state.habits = habits
    app.state.log = log
    return app


class _Endpoints:
    """The handlers. They run in the event loop: a page is a bisect and a join, faster than a thread switch."""

    def __init__(self, world: World, habits: Habits, on_crawl: Callable[[], object]) -> None:
        self._world = world
        self._habits = habits
        self._on_crawl = on_crawl

    async def list_milestones(self, request: Request) -> Response:
        # The first value of a repeated parameter counts.
        parameters = dict(reversed(request.query_params.multi_items()))
        if parameters.keys() == {"limit"}:
            self._on_crawl()
        if (status := self._habits.refusal(parameters)) is not None:
            return as_json(BAD_REQUEST, status)
        try:
            query = self._habits.applied(parse_query(self._habits.heard(parameters)))
        except BadParameterError as error:
            return refusing(error)
        finds_nothing = query.competition is not None and self._habits.no_competitions
        page = PageOfRows([], None) if finds_nothing else self._world.page(query, self._habits.order)
        cursor = "" if page.next_position is None else encode_cursor(page.next_position)
        return as_json(self._habits.page("milestones", page.bodies, cursor))

    async def get_milestone(self, request: Request) -> Response:
        try:
            body = self._world.get(request.path_params["milestone_id"])
        except UnknownMilestoneError:
            return as_json(NOT_FOUND, 404)
        return as_json(b'{"milestone":%b}' % body)


async def _refused(request: Request, error: Exception) -> Response:
    """The response for an unknown path or method."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    if status == 404 and path.endswith("/") and path.rstrip("/"):
        return RedirectResponse(request.url.replace(path=path.rstrip("/")), 301)
    if status == 404:
        return as_json(NOT_FOUND, 404)
    body = {"code": "bad_request", "message": str(error), "details": ""}
    return as_json(msgspec.json.encode(body), status)
