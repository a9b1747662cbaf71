"""The command `mcp`: serves the published data to an agent."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from pipelines.cli.app import POSITIVE, app, print_error
from pipelines.errors import ExtraMissing, WrongUse
from pipelines.storage.home import Home


@app.command
def mcp(
    *,
    max_rows: Annotated[int, Parameter(validator=Number(gte=1, lte=100_000))] = 1_000,
    max_seconds: Annotated[float, POSITIVE] = 30.0,
) -> int:
    """Serve the published data to an agent, as an MCP server on standard input and output.

    Parameters
    ----------
    max_rows
        Maximum number of rows of one answer.
    max_seconds
        Time after which a query is stopped.
    """
    try:
        from pipelines.mcp_server.limits import Limits
        from pipelines.mcp_server.server import serve_stdio
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise ExtraMissing("the MCP server", "mcp") from error
    home = Home.from_environment()
    # Python has none where the caller closed them.
    if sys.stdin is None or sys.stdout is None:
        raise WrongUse("standard input or output is closed: let an agent start this MCP server, which talks over both")
    if sys.stdin.isatty():
        print_error("this is an MCP server, which an agent starts: it waits for requests; Ctrl-C ends it")
    # Python's handler would wait for the thread that reads standard input.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve_stdio(home, Limits(rows=max_rows, seconds=max_seconds))
    return 0
