"""Answers kept for as long as they hold: a query's rows are the same until the next publish.

Rows are frozen, so that every session may share them. Questions that contain "now" hold for a minute.
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
    """The query's answer from the published file as it is now. Raises Unavailable."""
    return _ask(query, 0, args, kwargs)


def run_cached_for_a_minute(query: Query[P, Answer], *args: P.args, **kwargs: P.kwargs) -> Answer:
    """As `ask`, for a query whose answer moves with the clock. Raises Unavailable."""
    return _ask(query, int(time.time()) // SECONDS_OF_NOW, args, kwargs)


def _ask(query: Callable[..., Answer], minute: int, args: tuple[object, ...], kwargs: dict[str, object]) -> Answer:
    file = published_file()
    # Taken before the file is opened: a publish in between is asked again, never missed.
    identity = identity_of(file)

    def answer() -> Answer:
        with reading(file) as connection:
            return query(connection, *args, **kwargs)

    name = f"{query.__module__}.{query.__qualname__}"
    key = (str(file), identity.inode, identity.modified_ns, minute, name, args, kwargs)
    return cast("Answer", _kept(key, answer))


@st.cache_resource(show_spinner=False, max_entries=ANSWERS_KEPT, ttl=SECONDS_KEPT)
def _kept(key: tuple[object, ...], _answer: Callable[[], object]) -> object:  # noqa: ARG001 - kept by it
    return _answer()
