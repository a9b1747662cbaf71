"""Runs an installed wheel as a new user would, in an empty folder, and prints the transcript.

`make wheel` calls it with the interpreter of an environment that has the wheel and its extras, but not this checkout.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import anyio
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import TextContent

COMMAND = Path(sys.executable).parent / "milestones"
START_SECONDS = 120
STOP_SECONDS = 30
SHOWN_LINES = 12

DEMO = {"MILESTONES_HOME": "data/demo"}


class Failed(Exception):
    """A command of the installed wheel did not do what it must."""


class Transcript:
    """Commands in an empty folder, with no setting of the caller's environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, *arguments: str, settings: Mapping[str, str] | None = None) -> str:
        """Run a command; its standard output. Raises Failed for another exit status than 0, and for a traceback."""
        self._show(arguments, settings)
        ended = subprocess.run(  # noqa: S603 - the installed command
            [COMMAND, *arguments],
            check=False,
            cwd=self._folder,
            env=self._environment(settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        output = ended.stdout + ended.stderr
        lines = output.splitlines()
        print(*lines[:SHOWN_LINES], *(["..."] if len(lines) > SHOWN_LINES else []), sep="\n", flush=True)
        if ended.returncode or "Traceback" in output:
            raise Failed(f"milestones {' '.join(arguments)} ended with {ended.returncode}: {output}")
        return ended.stdout

    @contextmanager
    def serving(self, *arguments: str, path: str, settings: Mapping[str, str] | None = None) -> Iterator[str]:
        """Run a server on a free port until the block ends; its address. Raises Failed if `path` does not respond."""
        port = _free_port()
        command = [*arguments, "--port", str(port)]
        self._show(command, settings)
        with subprocess.Popen(  # noqa: S603 - the installed command
            [COMMAND, *command], cwd=self._folder, env=self._environment(settings), stdin=subprocess.DEVNULL
        ) as server:
            try:
                print(_await(f"http://127.0.0.1:{port}{path}", server), flush=True)
                yield f"http://127.0.0.1:{port}"
            finally:
                server.send_signal(signal.SIGINT)
                try:
                    server.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    server.kill()
                    raise Failed(f"milestones {arguments[0]} did not stop within {STOP_SECONDS} s") from None

    def ask_as_an_agent(self, settings: Mapping[str, str]) -> None:
        """List the tools of `milestones mcp` and call one, with the SDK's client. Raises Failed."""
        self._show(("mcp",), settings)
        tools, answer = anyio.run(self._talk, settings)
        print("tools:", *tools, flush=True)
        print(answer, flush=True)

    async def _talk(self, settings: Mapping[str, str]) -> tuple[list[str], str]:
        server = StdioServerParameters(
            command=str(COMMAND), args=["mcp"], env=self._environment(settings), cwd=str(self._folder)
        )
        async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            tools = [tool.name for tool in (await session.list_tools()).tools]
            called = await session.call_tool("query", {"sql": "select count(*) as milestones from milestones"})
        if called.isError:
            raise Failed(f"the tool query failed: {called.content}")
        return tools, "".join(part.text for part in called.content if isinstance(part, TextContent))

    def _show(self, arguments: tuple[str, ...] | list[str], settings: Mapping[str, str] | None) -> None:
        words = [f"{name}={value}" for name, value in (settings or {}).items()]
        words += ["milestones", *(f'"{word}"' if " " in word else word for word in arguments)]
        print("\n$", *words, flush=True)

    def _environment(self, settings: Mapping[str, str] | None) -> dict[str, str]:
        return {"PATH": os.defpath, "HOME": str(self._folder / "user"), "NO_COLOR": "1", **(settings or {})}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _get(address: str) -> int:
    """The length of a good response."""
    with urllib.request.urlopen(address, timeout=START_SECONDS) as response:  # noqa: S310 - loopback
        return len(response.read())


def _await(address: str, server: subprocess.Popen[bytes]) -> str:
    """Wait for a good response; the address with its status."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise Failed(f"the server for {address} ended with {server.returncode}")
        try:
            with urllib.request.urlopen(address, timeout=5) as response:  # noqa: S310 - loopback
                return f"GET {address}: {response.status}"
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise Failed(f"{address} did not respond within {START_SECONDS} s")


def try_wheel(folder: Path) -> None:
    """Run every kind of command in `folder`. Raises Failed."""
    user = Transcript(folder)
    if user.run("--version").startswith("0.0.0"):
        raise Failed("the wheel does not know its version")
    user.run("demo")
    user.run("status", settings=DEMO)
    user.run("sql", "select type, count(*) from milestones group by 1 order by 2 desc limit 3", settings=DEMO)
    with user.serving("sandbox", "--rows", "2000", path="/trade-api/v2/milestones?limit=1") as address:
        sandbox = {"KALSHI_BASE_URL": f"{address}/trade-api/v2", "KALSHI_REQUESTS_PER_SECOND": "0"}
        user.run("ingest", settings=sandbox)
        user.run("ingest", settings=sandbox)
    user.run("verify")
    user.run("doctor", "--offline")
    user.run("export", "--output", "data/milestones.xlsx", settings=DEMO)
    user.run("export", "--output", "data/milestones.ics", settings=DEMO)
    with user.serving("serve", path="/health", settings=DEMO) as address:
        for path in ("/upcoming.json?limit=1", "/calendar.ics?league=NFL"):
            print(f"GET {path}: {_get(address + path)} bytes", flush=True)
    user.ask_as_an_agent(settings=DEMO)
    with user.serving("ui", path="/server_info"):
        pass
    with user.serving("dashboard", path="/_stcore/health", settings=DEMO):
        pass
    written = {path.name for path in folder.iterdir()} - {"user"}
    if written != {"data"}:
        raise Failed(f"the commands wrote outside of ./data: {sorted(written)}")


def main() -> int:
    """Run in a temporary folder; the exit status."""
    with tempfile.TemporaryDirectory(prefix="milestones-wheel-") as folder:
        try:
            try_wheel(Path(folder))
        except Failed as error:
            print(f"\nthe wheel does not work: {error}", file=sys.stderr)
            return 1
    print("\nthe wheel works in an empty folder")
    return 0


if __name__ == "__main__":
    sys.exit(main())
