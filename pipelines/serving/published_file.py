"""The published file that requests are answered from: opened once, and replaced as soon as a publish replaces it.

Requests that began on the old file finish on it; it is closed after the last one. Everything here runs on the event
loop's thread, except the queries.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import Executor
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property

import duckdb

from pipelines.reading.connection import CATALOG, open_reader, run_query
from pipelines.reading.published import nothing_published
from pipelines.storage.home import Home

CACHE_BYTES = 64 << 20
GZIP_FROM_BYTES = 1_000
GZIP_LEVEL = 6

DATA_AT = "SELECT max(finished_at) FROM sweeps WHERE status = 'loaded'"
"""When the newest sweep was loaded: the time of the data."""
_TIMES = f"SELECT last_sweep_at, ({DATA_AT}) FROM freshness"  # noqa: S608

Identity = tuple[int, int, int]
"""Device, inode and time of modification of a file."""


@dataclass(frozen=True)
class Answer:
    """An encoded answer. `gzipped` is made once: compressing 100 rows takes longer than all else of a request."""

    body: bytes
    gzipped: bytes | None
    etag: str
    modified: datetime
    step: int | None
    """The step of the clock that it holds for; None if it holds as long as the published file."""

    @classmethod
    def of(cls, body: bytes, modified: datetime, step: int | None = None) -> Answer:
        """An answer with this body, whose ETag depends on nothing else."""
        etag = f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
        gzipped = gzip.compress(body, GZIP_LEVEL, mtime=0) if len(body) >= GZIP_FROM_BYTES else None
        return cls(body, gzipped, etag, modified.replace(microsecond=0), step)

    @property
    def size(self) -> int:
        """Bytes that it takes in the cache, roughly."""
        return len(self.body) + len(self.gzipped or b"") + 1_000

    @cached_property
    def last_modified(self) -> str:
        """The value of the header Last-Modified."""
        return format_datetime(self.modified, usegmt=True)


class AnswerCache:
    """The answers that were used last, up to a number of bytes."""

    def __init__(self, limit: int = CACHE_BYTES) -> None:
        self._limit = limit
        self._answers: OrderedDict[Hashable, Answer] = OrderedDict()
        self.bytes = 0

    def get(self, key: Hashable) -> Answer | None:
        """The answer of a key, which thereby is used last."""
        answer = self._answers.get(key)
        if answer is not None:
            self._answers.move_to_end(key)
        return answer

    def put(self, key: Hashable, answer: Answer) -> None:
        """Keep an answer, and drop those that were not used for longest."""
        if (before := self._answers.pop(key, None)) is not None:
            self.bytes -= before.size
        self._answers[key] = answer
        self.bytes += answer.size
        while self.bytes > self._limit:
            _, dropped = self._answers.popitem(last=False)
            self.bytes -= dropped.size


@dataclass
class OpenFile:
    """An open published file, with the answers that were made from it."""

    identity: Identity
    connection: duckdb.DuckDBPyConnection
    published_at: datetime
    last_sweep_at: datetime | None
    data_at: datetime
    executor: Executor
    closing: ExitStack
    cache: AnswerCache = field(default_factory=AnswerCache)
    readers: int = 0
    _pending: dict[Hashable, asyncio.Task[Answer]] = field(default_factory=dict)

    async def answer(
        self, key: Hashable, step: int | None, make: Callable[[duckdb.DuckDBPyConnection], bytes], at: datetime
    ) -> Answer:
        """The cached answer of a key, or a new one. Simultaneous requests for the same answer wait for one query."""
        cached = self.cache.get(key)
        if cached is not None and cached.step == step:
            return cached
        task = self._pending.get((key, step))
        if task is None:
            task = asyncio.create_task(self._make(key, step, make, at))
            self._pending[key, step] = task
            task.add_done_callback(lambda _: self._pending.pop((key, step)))
        # A client that leaves must not end the query of the others.
        return await asyncio.shield(task)

    async def _make(
        self, key: Hashable, step: int | None, make: Callable[[duckdb.DuckDBPyConnection], bytes], at: datetime
    ) -> Answer:
        loop = asyncio.get_running_loop()
        modified = self.published_at if step is None else max(self.published_at, at)
        with self.connection.cursor() as cursor:
            # Cursors begin in the memory database.
            cursor.execute(f"USE {CATALOG}")
            made = await loop.run_in_executor(self.executor, lambda: Answer.of(make(cursor), modified, step))
        before = self.cache.get(key)
        if before is not None and before.etag == made.etag:
            # The clock moved on and the answer did not change.
            made = Answer(made.body, made.gzipped, made.etag, before.modified, step)
        self.cache.put(key, made)
        return made


class PublishedFile:
    """The published file of a home, always the newest one."""

    def __init__(self, home: Home, executor: Executor) -> None:
        self._home = home
        self._executor = executor
        self._open: OpenFile | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[OpenFile]:
        """The newest published file, open until the block ends. Raises NothingPublished, WarehouseUnusable."""
        file = await self._newest()
        file.readers += 1
        try:
            yield file
        finally:
            file.readers -= 1
            self._close_unused(file)

    async def _newest(self) -> OpenFile:
        if self._open is not None and self._open.identity == self._identity():
            return self._open
        async with self._opening:
            identity = self._identity()
            if self._open is None or self._open.identity != identity:
                before = self._open
                loop = asyncio.get_running_loop()
                self._open = await loop.run_in_executor(self._executor, self._opened, identity)
                if before is not None:
                    self._close_unused(before)
            return self._open

    def _identity(self) -> Identity:
        try:
            found = self._home.published_duckdb.stat()
        except OSError as error:
            raise nothing_published(self._home) from error
        return found.st_dev, found.st_ino, found.st_mtime_ns

    def _opened(self, identity: Identity) -> OpenFile:
        """Open the file. If a publish replaces it meanwhile, the identity is the old one: the next request opens it."""
        published_at = datetime.fromtimestamp(identity[2] / 1e9, UTC)
        with ExitStack() as stack:
            connection = stack.enter_context(open_reader(self._home.published_duckdb))
            last_sweep_at, data_at = run_query(connection, _TIMES).rows[0]
            return OpenFile(
                identity=identity,
                connection=connection,
                published_at=published_at,
                last_sweep_at=last_sweep_at,
                data_at=data_at or published_at,
                executor=self._executor,
                closing=stack.pop_all(),
            )

    def _close_unused(self, file: OpenFile) -> None:
        if file is not self._open and file.readers == 0:
            file.closing.close()

    def close(self) -> None:
        """Close the file, when no request uses it any more."""
        if self._open is not None:
            self._open.closing.close()
            self._open = None
