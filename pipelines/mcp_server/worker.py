"""Answers one call in a worker process, which can be killed.

DuckDB's limits do not cover everything: a long call of a function notices no interrupt (list_sum(range(200000000)) runs
for 13 seconds), and the values that functions make are not in its memory limit, nor given back after the query.
"""

from __future__ import annotations

import os
import resource
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import duckdb

from pipelines.errors import MilestonesError
from pipelines.mcp_server.answers import Answer, Arguments
from pipelines.mcp_server.limits import DUCKDB_LIMITS, Limits, MemoryExceeded, limited
from pipelines.reading.published import open_published
from pipelines.storage.home import Home

ADDRESS_SPACE_BYTES = 4 << 30
"""Of a worker process: a query that makes huge values fails, before the machine swaps."""

POLL_SECONDS = 0.5

Ask = Callable[[duckdb.DuckDBPyConnection, Any, Limits], Answer]


@dataclass(frozen=True)
class Failure:
    """A call that failed: one line for the client, and the traceback of a fault of ours."""

    message: str
    trace: str = ""


def answer(server: int, home: Home, limits: Limits, ask: Ask, asked: Arguments) -> Answer | Failure:
    """Answer one call of the process `server` from the newest published file.

    A query that exceeds its memory ends this process, as does the end of the server. Errors are returned, because what
    a process can send is limited: an error without its cause, if at all.
    """
    _end_with(server)
    # Not every system limits it.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        with open_published(home, limits=DUCKDB_LIMITS) as connection, limited(connection, limits):
            return ask(connection, asked, limits)
    except MemoryExceeded:
        # What it allocated is not given back: the next query would fail too.
        os._exit(1)
    except MilestonesError as error:
        return Failure(str(error))
    except Exception as error:  # noqa: BLE001 - a fault of one call must not end the server
        return Failure(f"this failed unexpectedly ({type(error).__name__}: {error})", traceback.format_exc())


@cache
def _end_with(server: int) -> None:
    """End this process soon after the server, which cannot end its queries when it is killed."""

    def watch() -> None:
        while os.getppid() == server:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
