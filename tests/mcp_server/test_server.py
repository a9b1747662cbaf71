"""The server as a client of the SDK sees it, in memory: tools, resources, errors, new publishes, concurrency."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest

from pipelines.mcp_server.limits import Limits
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
    from mcp.types import CallToolResult, ErrorData

Found = TypeVar("Found")


def in_session(home: Home, ask: Callable[[ClientSession], Awaitable[Found]], limits: Limits | None = None) -> Found:
    """Connect a client to a server, and return what it finds."""

    async def run() -> Found:
        server = served.build_server(home, limits or Limits(seconds=20))
        async with create_connected_server_and_client_session(server) as session:
            return await ask(session)

    return anyio.run(run)


def call(home: Home, tool: str, limits: Limits | None = None, /, **arguments: Any) -> CallToolResult:
    return in_session(home, lambda session: session.call_tool(tool, arguments), limits)


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert content.type == "text"
    return content.text


def error_of(result: CallToolResult) -> str:
    assert result.isError
    assert text_of(result).isprintable()
    return text_of(result)


def test_what_a_client_is_told_first(home: Home) -> None:
    result = in_session(home, lambda session: session.initialize())
    assert result.serverInfo.name == "kalshi-milestones"
    assert result.capabilities.tools
    assert result.capabilities.resources
    assert "All times are UTC" in (result.instructions or "")


def test_tools_are_read_only_and_typed(home: Home) -> None:
    tools = in_session(home, lambda session: session.list_tools()).tools
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
def test_every_tool_answers_as_text_and_as_data(home: Home, name: str, arguments: dict[str, Any], shown: str) -> None:
    # The client validates the data with the tool's schema.
    result = call(home, name, **arguments)
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
            "wrong arguments of upcoming: hours: Input should be greater than 0; limit",
        ),
        ("query", {}, "wrong arguments of query: sql: Field required"),
        ("query", {"sql": 'select "a\x1b" from sweeps'}, r"there is no column a\x1b"),
        ("query", {"sql": "attach 'x'"}, "ATTACH is not allowed"),
    ],
)
def test_errors_are_one_line(home: Home, name: str, arguments: dict[str, Any], message: str) -> None:
    assert error_of(call(home, name, **arguments)).startswith(message)


def test_a_long_error_is_cut(home: Home) -> None:
    assert len(error_of(call(home, "event_start", event_ticker="x" * 10_000))) == served.MESSAGE_CHARACTERS


def test_nothing_is_published_yet(tmp_path: Path) -> None:
    assert "run milestones ingest first" in error_of(call(Home(tmp_path), "list_tables"))


def test_a_damaged_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.published.mkdir()
    home.published_duckdb.write_bytes(b"no database")
    assert "milestones ingest publishes it again" in error_of(call(home, "list_tables"))


def test_a_fault_of_ours_is_logged_and_does_not_end_the_server(
    home: Home, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> Any:
        raise KeyError("x")

    tool = served.TOOLS["query"]
    faulty = served.Tool("query", tool.title, tool.description, tool.arguments, tool.answer, fail)
    monkeypatch.setitem(served.TOOLS, "query", faulty)

    async def ask(session: ClientSession) -> tuple[CallToolResult, CallToolResult]:
        return await session.call_tool("query", {"sql": "select 1"}), await session.call_tool("list_tables", {})

    with caplog.at_level(logging.ERROR):
        failed, after = in_session(home, ask)
    assert error_of(failed) == "the tool query failed unexpectedly (KeyError: 'x'): its log has the details"
    assert not after.isError
    assert caplog.records[0].exc_info


def test_a_new_publish_is_noticed(home: Home, tmp_path: Path) -> None:
    current = Home(tmp_path)
    current.published.mkdir()

    async def ask(session: ClientSession) -> list[bool]:
        before = await session.call_tool("list_tables", {})
        shutil.copyfile(home.published_duckdb, current.published_duckdb)
        after = await session.call_tool("list_tables", {})
        current.published_duckdb.unlink()
        return [before.isError, after.isError, (await session.call_tool("list_tables", {})).isError]

    assert in_session(current, ask) == [True, False, True]


@pytest.mark.slow
def test_an_endless_query_is_stopped_and_others_run_meanwhile(home: Home) -> None:
    ended = []

    async def ask(session: ClientSession) -> None:
        async def endless() -> None:
            result = await session.call_tool("query", {"sql": ENDLESS})
            assert "the query was stopped after 2 seconds" in error_of(result)
            ended.append("endless")

        async def short() -> None:
            assert not (await session.call_tool("query", {"sql": "select 1"})).isError
            ended.append("short")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(endless)
            for _ in range(3):
                tasks.start_soon(short)

    in_session(home, ask, Limits(seconds=2))
    assert ended == ["short", "short", "short", "endless"]


@pytest.mark.slow
def test_calls_of_a_client_that_leaves_are_ended(home: Home) -> None:
    async def ask(session: ClientSession) -> None:
        with anyio.move_on_after(0.5):
            await session.call_tool("query", {"sql": ENDLESS})

    began = time.monotonic()
    in_session(home, ask, Limits(seconds=60))
    assert time.monotonic() - began < 20


def test_resources(home: Home) -> None:
    async def ask(session: ClientSession) -> dict[str, str]:
        listed = (await session.list_resources()).resources
        texts = {}
        for one in listed:
            (content,) = (await session.read_resource(one.uri)).contents
            assert (content.mimeType, one.mimeType) == ("text/markdown", "text/markdown")
            texts[str(one.uri)] = getattr(content, "text", "")
        return texts

    texts = in_session(home, ask)
    assert texts["milestones://dictionary"].startswith("# Data dictionary")
    assert texts["milestones://cookbook"].startswith("# Cookbook")
    assert texts["milestones://status"].startswith("## Milestones")


def test_an_unknown_resource(home: Home) -> None:
    async def ask(session: ClientSession) -> ErrorData:
        with pytest.raises(McpError) as caught:
            await session.read_resource(AnyUrl("milestones://nothing"))
        return caught.value.error

    error = in_session(home, ask)
    assert error.code == served.RESOURCE_NOT_FOUND
    assert error.message.startswith("there is no resource milestones://nothing; there are: milestones://dictionary")
