"""The web application: finds the route, checks the request, answers from the cache or the published file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import duckdb
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as WebRoute

from pipelines.errors import ExtraMissing, MilestonesError, WarehouseUnusable
from pipelines.reading.connection import NothingPublished
from pipelines.reading.query_errors import QueryFailed
from pipelines.serving.answers import Question, encoded
from pipelines.serving.errors import Refused, quoted
from pipelines.serving.openapi import listing, openapi
from pipelines.serving.parameters import read_query
from pipelines.serving.published_file import Answer, PublishedFile
from pipelines.serving.routes import HEALTH, JSON, LISTING, OPENAPI, ROUTES, SUMMARY, Route
from pipelines.storage.home import Home

STEP_SECONDS = 10
"""How long an answer about now is used again."""

THREADS = 4
"""Threads that wait for DuckDB, which has threads of its own."""

_STATUS_OF_ERROR = {NothingPublished: 503, WarehouseUnusable: 503, ExtraMissing: 501}


def build_app(home: Home, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Starlette:
    """The application that serves the published data of a home."""
    service = Service(home, now)
    endpoints = {
        LISTING.path: service.listing,
        SUMMARY.path: service.summary,
        HEALTH.path: service.health,
        OPENAPI.path: service.openapi,
    }

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        service.close()

    app = Starlette(
        routes=[_web_route(route, endpoints.get(route.path) or service.answering(route)) for route in ROUTES],
        exception_handlers={Refused: _refused, MilestonesError: _failed, HTTPException: _no_route, Exception: _broken},
        lifespan=lifespan,
    )
    # An address has one spelling.
    app.router.redirect_slashes = False
    return app


def _web_route(route: Route, endpoint: Any) -> WebRoute:
    # Tickers are opaque: one may have a slash.
    return WebRoute(route.path.replace("}", ":path}"), endpoint, methods=["GET"])


@dataclass
class Service:
    """The endpoints of the application."""

    home: Home
    now: Callable[[], datetime]

    def __post_init__(self) -> None:
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="serve")
        self._file = PublishedFile(self.home, self._executor)
        self._started = self.now()
        self._listing = Answer.of(listing().encode(), self._started)
        self._openapi = Answer.of(encoded(openapi(version("kalshi-milestones"))), self._started)

    def close(self) -> None:
        """Wait for running queries, and close the published file."""
        self._executor.shutdown(cancel_futures=True)
        self._file.close()

    def answering(self, route: Route) -> Callable[[Request], Any]:
        """The endpoint of a route that is answered from the published file."""
        make = route.answer
        assert make is not None, route.path  # noqa: S101 - the other routes have endpoints of their own

        async def endpoint(request: Request) -> Response:
            values = _values(request, route)
            step = int(self.now().timestamp() // STEP_SECONDS) if route.follows_clock else None
            at = datetime.fromtimestamp(step * STEP_SECONDS, UTC) if step is not None else self.now()
            async with self._file.opened() as file:

                def body(connection: duckdb.DuckDBPyConnection) -> bytes:
                    return make(Question(connection, file.data_at, at, values))

                answer = await file.answer((route.path, *values.items()), step, body, at)
            return _respond(request, answer, route.media_type)

        return endpoint

    async def listing(self, request: Request) -> Response:
        """The routes as text."""
        _values(request, LISTING)
        return _respond(request, self._listing, LISTING.media_type)

    async def openapi(self, request: Request) -> Response:
        """The OpenAPI description."""
        _values(request, OPENAPI)
        return _respond(request, self._openapi, JSON)

    async def summary(self, request: Request) -> Response:
        """The file summary.json of the newest snapshot. It is small, so that it is read for each request."""
        _values(request, SUMMARY)
        async with self._file.opened():
            file = self.home.published_summary
            try:
                body, changed = file.read_bytes(), file.stat().st_mtime
            except OSError as error:
                raise Refused(503, f"cannot read {file} ({error.strerror}): milestones ingest publishes it") from error
        return _respond(request, Answer.of(body, datetime.fromtimestamp(changed, UTC)), JSON)

    async def health(self, request: Request) -> Response:
        """The age of the data; 503 if they are too old."""
        max_age = _values(request, HEALTH)["max_age"]
        async with self._file.opened() as file:
            last = file.last_sweep_at
        age = (self.now() - last).total_seconds() if last is not None else None
        is_fresh = age is not None and age <= max_age
        if age is None:
            reason = "no complete sweep was loaded: run milestones ingest"
        elif is_fresh:
            reason = f"the last sweep was loaded {age:.0f} s ago"
        else:
            reason = f"the last sweep was loaded {age:.0f} s ago, more than {max_age:.0f} s: run milestones ingest"
        found = {
            "status": "fresh" if is_fresh else "stale",
            "reason": reason,
            "last_sweep_at": last,
            "age_seconds": age,
            "max_age_seconds": max_age,
        }
        return _uncached(200 if is_fresh else 503, found)


def _values(request: Request, route: Route) -> dict[str, Any]:
    """The values of the path and the query. Raises Refused."""
    values = read_query(request.scope["query_string"], route.path, route.parameters)
    for parameter in route.parameters:
        if parameter.kind == "text":
            values[parameter.name] = parameter.value([request.path_params[parameter.name]])
    return values


def _respond(request: Request, answer: Answer, media_type: str) -> Response:
    """The answer, compressed if the client can read that; 304 if the client has it."""
    # no-cache: to be kept, and validated before each use, as a publish can come at any time.
    headers = {
        "etag": answer.etag,
        "last-modified": answer.last_modified,
        "cache-control": "no-cache",
        "vary": "accept-encoding",
        "x-content-type-options": "nosniff",
    }
    if _is_known(request, answer):
        return Response(status_code=304, headers=headers)
    body = answer.body
    if answer.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["content-encoding"] = "gzip"
        body = answer.gzipped
    headers["content-type"] = media_type
    return Response(body, headers=headers)


def _is_known(request: Request, answer: Answer) -> bool:
    """Whether the client has the answer. If-None-Match decides; If-Modified-Since counts only without it."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
        return "*" in known or answer.etag.removeprefix("W/") in known
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    try:
        known_at = parsedate_to_datetime(since)
    except (ValueError, OverflowError):
        # HTTP says to ignore a date that is not one.
        return False
    # Without a zone it is UTC, wherever this machine is.
    return answer.modified <= (known_at.replace(tzinfo=UTC) if known_at.tzinfo is None else known_at)


def _uncached(status: int, found: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        encoded(found),
        status,
        {"cache-control": "no-store", "x-content-type-options": "nosniff", **(headers or {})},
        media_type=JSON,
    )


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101
    return _uncached(error.status, {"error": error.message})


async def _failed(_: Request, error: Exception) -> Response:
    statuses = (status for kind, status in _STATUS_OF_ERROR.items() if isinstance(error, kind))
    message = str(error)
    if isinstance(error, QueryFailed):
        message += " (if another version published the file, milestones rebuild publishes it again)"
    return _uncached(next(statuses, 500), {"error": message})


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    if error.status_code == 405:
        message = f"the method {quoted(request.method)} is not possible: the interface is read-only, use GET or HEAD"
    else:
        message = f"there is no {quoted(request.url.path)}: / lists what there is"
    return _uncached(error.status_code, {"error": message}, error.headers)


async def _broken(_: Request, __: Exception) -> Response:
    """A fault of the program: the server logs its traceback."""
    return _uncached(500, {"error": "the server failed: its output says why"})
