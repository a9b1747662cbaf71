"""Caches query results: the rows of a query are the same until the next publish.

Rows are frozen, so all sessions can share them. Results of queries that contain "now" are kept for a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar, cast

import duckdb
import streamlit as st

from board.published import identity_of, published_file, reading

ANSWERS_KEPT = 256
SECONDS_KEPT = 600
SECONDS_OF_NOW = 60

P = ParamSpec("P")
Answer = TypeVar("Answer")
Query = Callable[Concatenate[duckdb.DuckDBPyConnection, P], Answer]


def run_cached(query: Query[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
    """The result of a query on the current published file. Raises Unavailable."""
    return _ask(query, 0, args, kwargs)


def run_cached_for_a_minute(query: Query[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
    """As `run_cached`, for a query whose result depends on the time. Raises Unavailable."""
    return _ask(query, int(time.time()) // SECONDS_OF_NOW, args, kwargs)


def _ask(query: Callable[..., Answer], minute: int, args: tuple[object, ...], kwargs: dict[str, object]) -> Answer:
    file = published_file()
    # Read before the file is opened: after a publish in between, the query runs again.
    identity = identity_of(file)

    def answer() -> Answer:
        with reading(file) as connection:
            return query(connection, *args, **kwargs)

    name = f"{query.__module__}.{query.__qualname__}"
    key = (str(file), identity.inode, identity.modified_ns, minute, name, args, kwargs)
    return cast("Answer", _kept(key, answer))


@st.cache_resource(show_spinner=False, max_entries=ANSWERS_KEPT, ttl=SECONDS_KEPT)
def _kept(key: tuple[object, ...], _answer: Callable[[], object]) -> object:  # noqa: ARG001 - the cache key
    return _answer()
