"""The open published file: one query for simultaneous requests, a bounded cache, and files replaced while in use."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines.serving.published_file import Answer, AnswerCache, PublishedFile
from pipelines.storage.home import Home
from tests.support import NOON, Shell


@pytest.fixture
def home(published: Shell, tmp_path: Path) -> Home:
    """A home with the published file only."""
    home = Home(tmp_path)
    home.published.mkdir()
    shutil.copyfile(published.home.published_duckdb, home.published_duckdb)
    return home


def replaced(home: Home) -> None:
    """Replace the published file as a publish does."""
    following = home.published / "next"
    shutil.copyfile(home.published_duckdb, following)
    following.replace(home.published_duckdb)


def count(connection: duckdb.DuckDBPyConnection) -> bytes:
    return str(connection.execute("SELECT count(*) FROM milestones").fetchall()[0][0]).encode()


def counting(calls: list[int]) -> Callable[[duckdb.DuckDBPyConnection], bytes]:
    def make(connection: duckdb.DuckDBPyConnection) -> bytes:
        calls.append(threading.get_ident())
        return count(connection)

    return make


def test_simultaneous_requests_for_an_answer_are_one_query(home: Home) -> None:
    calls: list[int] = []

    async def ask() -> list[Answer]:
        with ThreadPoolExecutor(2) as executor:
            published = PublishedFile(home, executor)
            async with published.opened() as file:
                found = await asyncio.gather(*(file.answer("key", None, counting(calls), NOON) for _ in range(20)))
                found.append(await file.answer("key", None, counting(calls), NOON))
            published.close()
            return found

    answers = asyncio.run(ask())
    assert {answer.body for answer in answers} == {b"30"}
    assert len(calls) == 1
    assert calls[0] != threading.get_ident()


def test_a_failed_query_fails_every_waiting_request_and_is_tried_again(home: Home) -> None:
    def fail(_: duckdb.DuckDBPyConnection) -> bytes:
        raise ZeroDivisionError

    async def ask() -> None:
        with ThreadPoolExecutor(2) as executor:
            published = PublishedFile(home, executor)
            async with published.opened() as file:
                failed = await asyncio.gather(
                    *(file.answer("key", None, fail, NOON) for _ in range(3)), return_exceptions=True
                )
                assert [type(error) for error in failed] == [ZeroDivisionError] * 3
                assert (await file.answer("key", None, count, NOON)).body == b"30"
            published.close()

    asyncio.run(ask())


def test_a_request_finishes_on_the_file_that_it_began_on(home: Home) -> None:
    async def ask() -> None:
        with ThreadPoolExecutor(2) as executor:
            published = PublishedFile(home, executor)
            async with published.opened() as before:
                replaced(home)
                async with published.opened() as after:
                    assert after is not before
                async with published.opened() as again:
                    assert again is after
                assert (await before.answer("key", None, count, NOON)).body == b"30"
            with pytest.raises(duckdb.ConnectionException):
                before.connection.execute("SELECT 1")
            assert count(after.connection.cursor().execute("USE milestones")) == b"30"
            published.close()
            with pytest.raises(duckdb.ConnectionException):
                after.connection.execute("SELECT 1")

    asyncio.run(ask())


def test_the_cache_drops_what_was_not_used_for_longest() -> None:
    def answer(text: str) -> Answer:
        return Answer.of(text.encode(), datetime(2026, 1, 1, tzinfo=UTC))

    cache = AnswerCache(limit=3 * answer("a").size)
    for key in "abc":
        cache.put(key, answer(key))
    assert cache.get("a") is not None
    cache.put("d", answer("d"))
    assert [key for key in "abcd" if cache.get(key)] == ["a", "c", "d"]
    cache.put("d", answer("d"))
    assert cache.bytes == 3 * answer("a").size
    cache.put("e", answer("x" * 10_000))
    assert cache.bytes == 0
