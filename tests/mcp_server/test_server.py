"""The server as a client of the SDK sees it, in memory: tools, resources, errors, new publishes, concurrency."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from pipelines.mcp_server.limits import Limits
from pipelines.mcp_server.worker import Ask
from pipelines.storage.home import Home
from tests.mcp_server.test_limits import ENDLESS

# The environment with the lowest versions has no extras.
pytest.importorskip("mcp")

from mcp.shared.exceptions import McpError
from mcp.shared.memory import create_connected_server_and_client_session
from pydantic import AnyUrl

from pipelines.mcp_server import server as served

if TYPE_CHECKING:
    from mcp import ClientSession
    from mcp.types import CallToolResult


pytestmark = pytest.mark.slow


@dataclass
class Client:
    """A client that is connected to a server of its own."""

    portal: BlockingPortal
    session: ClientSession

    def call(self, tool: str, /, **arguments: Any) -> CallToolResult:
        return self.portal.call(partial(self.session.call_tool, tool, arguments))


@contextmanager
def connected(home: Home, limits: Limits | None = None, ask: Ask | None = None) -> Iterator[Client]:
    """`ask` answers in the place of the tool query."""
    tools = served.TOOLS | ({"query": replace(served.TOOLS["query"], ask=ask)} if ask else {})
    server = served.build_server(home, limits or Limits(seconds=20), tools)
    session = create_connected_server_and_client_session(server)
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(session) as client:
        yield Client(portal, client)


@pytest.fixture(scope="module")
def client(home: Home) -> Iterator[Client]:
    with connected(home) as found:
        yield found


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert content.type == "text"
    return content.text


def error_of(result: CallToolResult) -> str:
    assert result.isError
    assert text_of(result).isprintable()
    return text_of(result)


def test_what_a_client_is_told_first(client: Client) -> None:
    result = client.portal.call(client.session.initialize)
    assert result.serverInfo.name == "kalshi-milestones"
    assert result.capabilities.tools
    assert result.capabilities.resources
    assert "All times are UTC" in (result.instructions or "")


def test_tools_are_read_only_and_typed(client: Client) -> None:
    tools = client.portal.call(client.session.list_tools).tools
    names = ["list_tables", "describe_table", "query", "upcoming", "event_start", "what_changed"]
    assert [tool.name for tool in tools] == names
    for tool in tools:
        assert tool.annotations
        assert (tool.annotations.readOnlyHint, tool.annotations.destructiveHint) == (True, False)
        assert tool.description
        assert tool.inputSchema["additionalProperties"] is False
        assert all("description" in one for one in tool.inputSchema.get("properties", {}).values())
        assert {"now", "as_of"} <= set((tool.outputSchema or {})["properties"])


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("list_tables", {}, "| milestones | table | 5 |"),
        ("describe_table", {"name": "milestones"}, "| start_date | TIMESTAMPTZ | UTC, microseconds | Start, UTC"),
        ("query", {"sql": "select count(*) as n from milestones;", "limit": "5"}, "| 5 |"),
        ("upcoming", {"hours": 24 * 365 * 10}, "Data as of 2026-11-23 13:00:0"),
        ("event_start", {"event_ticker": "KXSHARED-26"}, "KXSHARED-26 starts 2026-11-30 12:02:00Z"),
        ("what_changed", {"since": "2026-11-23"}, "| title | Game 1 | Game 1 (new date) |"),
    ],
)
def test_every_tool_answers_as_text_and_as_data(
    client: Client, name: str, arguments: dict[str, Any], shown: str
) -> None:
    # The client validates the data with the tool's schema.
    result = client.call(name, **arguments)
    assert not result.isError
    assert shown in text_of(result)
    assert result.structuredContent
    assert result.structuredContent["as_of"].startswith("2026-11-23T13:00:0")


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("nope", {}, "there is no tool nope; there are: list_tables"),
        ("upcoming", {"hour": 1}, "wrong arguments of upcoming: hour: Extra inputs are not permitted"),
        (
            "upcoming",
            {"hours": -1, "limit": "x"},
            "wrong arguments of upcoming: hours: Input should be greater than 0; limit: ",
        ),
        ("query", {}, "wrong arguments of query: sql: Field required"),
        ("query", {"sql": 'select "a\x1b" from sweeps'}, r"there is no column a\x1b"),
        ("query", {"sql": "attach 'x'"}, "ATTACH is not allowed"),
        (
            "query",
            {"sql": "select list(n) from range(1000000000) as numbers (n)"},
            "the query needs more memory than 1GB",
        ),
    ],
)
def test_errors_are_one_line(client: Client, name: str, arguments: dict[str, Any], message: str) -> None:
    assert error_of(client.call(name, **arguments)).startswith(message)


def test_a_long_error_is_cut(client: Client) -> None:
    assert len(error_of(client.call("event_start", event_ticker="x" * 10_000))) == served.MESSAGE_CHARACTERS


def test_a_new_publish_is_noticed(home: Home, tmp_path: Path) -> None:
    current = Home(tmp_path)
    with connected(current) as client:
        assert "run milestones ingest first" in error_of(client.call("list_tables"))
        current.published.mkdir()
        shutil.copyfile(home.published_duckdb, current.published_duckdb)
        assert not client.call("list_tables").isError
        current.published_duckdb.write_bytes(b"no database")
        assert "milestones ingest publishes it again" in error_of(client.call("list_tables"))


def fail(*_: object) -> Any:
    raise KeyError("x")


def test_a_fault_of_ours_is_logged_and_does_not_end_the_server(home: Home, caplog: pytest.LogCaptureFixture) -> None:
    with connected(home, ask=fail) as client, caplog.at_level(logging.ERROR):
        assert error_of(client.call("query", sql="select 1")) == "this failed unexpectedly (KeyError: 'x')"
        assert "Traceback" in caplog.text
        assert not client.call("list_tables").isError


def test_an_endless_query_is_stopped_and_others_run_meanwhile(home: Home) -> None:
    with connected(home, Limits(seconds=2)) as client, ThreadPoolExecutor() as threads:
        endless = threads.submit(client.call, "query", sql=ENDLESS)
        others = [threads.submit(client.call, "query", sql="select 1") for _ in range(3)]
        assert not any(other.result().isError for other in others)
        assert not endless.done()
        assert error_of(endless.result()).startswith("the query was stopped after 2 seconds")


def test_a_query_that_notices_no_interrupt_is_killed(home: Home) -> None:
    with connected(home, Limits(seconds=1, grace_seconds=1), ask=sleep_on) as client:
        began = time.monotonic()
        assert error_of(client.call("query", sql="select 1")).startswith("the query was stopped after 1 seconds")
        assert time.monotonic() - began < 30


def sleep_on(*_: object) -> Any:
    time.sleep(60)


def test_calls_of_a_client_that_leaves_are_ended(home: Home) -> None:
    async def leave(session: ClientSession) -> None:
        with anyio.move_on_after(0.5):
            await session.call_tool("query", {"sql": ENDLESS})

    began = time.monotonic()
    with connected(home, Limits(seconds=60)) as client:
        client.portal.call(leave, client.session)
    assert time.monotonic() - began < 30


def test_resources(client: Client) -> None:
    texts = {}
    for one in client.portal.call(client.session.list_resources).resources:
        (content,) = client.portal.call(client.session.read_resource, one.uri).contents
        assert (content.mimeType, one.mimeType) == ("text/markdown", "text/markdown")
        texts[str(one.uri)] = getattr(content, "text", "")
    assert texts["milestones://dictionary"].startswith("# Data dictionary")
    assert texts["milestones://cookbook"].startswith("# Cookbook")
    assert texts["milestones://status"].startswith("## Milestones")


def test_an_unknown_resource(client: Client) -> None:
    with pytest.raises(McpError) as caught:
        client.portal.call(client.session.read_resource, AnyUrl("milestones://nothing"))
    error = caught.value.error
    assert error.code == served.RESOURCE_NOT_FOUND
    assert error.message.startswith("there is no resource milestones://nothing; there are: milestones://dictionary")
