"""The command `mcp`: a session over standard input and output, its end, and the missing extra."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from pipelines.cli.app import EXIT_FAILED, EXIT_WRONG_USE
from pipelines.project_files import CHECKOUT
from pipelines.storage.home import Home
from tests.cli.commands import DEAD_URL, Command, environment
from tests.mcp_server.test_limits import ENDLESS
from tests.support import Shell

mcp = pytest.importorskip("mcp")
stdio = pytest.importorskip("mcp.client.stdio")

SERVER = ["-m", "pipelines.cli", "mcp", "--max-rows", "7"]
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def variables(home: Path) -> dict[str, str]:
    return environment(home, DEAD_URL) | {"PATH": os.environ["PATH"]}


@contextmanager
def running(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A server that has answered its first request."""
    with subprocess.Popen(
        [sys.executable, *SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables(home),
        cwd=CHECKOUT,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
        process.stdin.write(f"no JSON\n{json.dumps(request)}\n")
        process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for _ in range(2)]
        assert {answer.get("id") for answer in answers} == {1, None}
        yield process
        process.kill()


def send(process: subprocess.Popen[str], message: dict[str, object]) -> None:
    assert process.stdin
    process.stdin.write(f"{json.dumps({'jsonrpc': '2.0'} | message)}\n")
    process.stdin.flush()


@pytest.mark.slow
def test_a_session_over_standard_input_and_output(published: Shell) -> None:
    parameters = stdio.StdioServerParameters(
        command=sys.executable, args=SERVER, env=variables(published.home.root), cwd=CHECKOUT
    )

    async def session() -> tuple[list[str], object]:
        async with stdio.stdio_client(parameters) as (read, write), mcp.ClientSession(read, write) as client:
            await client.initialize()
            tools = await client.list_tools()
            result = await client.call_tool("query", {"sql": "select milestone_id from milestones", "limit": 100})
            return [tool.name for tool in tools.tools], result.structuredContent

    names, data = anyio.run(session)
    assert "query" in names
    assert isinstance(data, dict)
    assert (len(data["rows"]), data["is_complete"]) == (7, False)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["closed input", "interrupt"])
def test_it_ends_quietly(published: Shell, end: str) -> None:
    with running(published.home.root) as process:
        if end == "interrupt":
            process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (out, process.returncode) == ("", 0 if end == "closed input" else -signal.SIGINT)
        assert "Traceback" not in err


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux")
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=str)
def test_a_query_ends_with_a_killed_server(published: Shell, end: signal.Signals) -> None:
    with running(published.home.root) as process:
        send(process, {"method": "notifications/initialized"})
        send(process, {"id": 2, "method": "tools/call", "params": {"name": "query", "arguments": {"sql": ENDLESS}}})
        # Another process answers this one: the endless query runs by then.
        send(process, {"id": 3, "method": "tools/call", "params": {"name": "list_tables"}})
        assert process.stdout
        assert json.loads(process.stdout.readline())["id"] == 3
        queries = processes_of(process.pid)
        assert queries
        process.send_signal(end)
        assert [select.select([query], [], [], 10)[0] for query in queries] == [[query] for query in queries]
        for query in queries:
            os.close(query)


def processes_of(server: int) -> list[int]:
    """The processes that a server started, as file descriptors that are readable when they end."""
    tasks = Path(f"/proc/{server}/task").glob("*/children")
    return [os.pidfd_open(int(child)) for task in tasks for child in task.read_text().split()]


@pytest.mark.slow
def test_a_client_that_left_is_no_fault(published: Shell) -> None:
    with running(published.home.root) as process:
        assert process.stdout
        process.stdout.close()
        send(process, {"id": 2, "method": "ping"})
        assert process.stdin
        process.stdin.close()
        assert process.stderr
        assert "Traceback" not in process.stderr.read()
        assert process.wait(timeout=20) == 0


@pytest.mark.parametrize("stream", ["stdin", "stdout"])
def test_closed_input_or_output_is_wrong_use(
    command: Command, at: Callable[..., Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    at(tmp_path)
    monkeypatch.setattr(sys, stream, None)
    outcome = command("mcp")
    assert outcome.status == EXIT_WRONG_USE
    assert outcome.error_line.startswith("standard input or output is closed: let an agent start")


def test_the_extra_is_missing(
    command: Command, at: Callable[..., Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path)
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.delitem(sys.modules, "pipelines.mcp_server.server", raising=False)
    outcome = command("mcp")
    assert (outcome.status, outcome.out) == (EXIT_FAILED, "")
    assert outcome.error_line == (
        "the MCP server needs the extra mcp: run make extras in a checkout, or install the wheel with [mcp]"
    )


@pytest.mark.parametrize("option", [["--max-rows", "0"], ["--max-seconds", "0"], ["--port", "1"]], ids=str)
def test_wrong_options(command: Command, option: list[str]) -> None:
    outcome = command("mcp", *option)
    assert (outcome.status, outcome.out) == (EXIT_WRONG_USE, "")
    assert option[0] in outcome.error_line
