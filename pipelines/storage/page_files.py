"""Landed pages as Parquet files of one row, each with a checksum of its content.

Parquet's own checksums cover the data pages only: a changed bit in a header or in the footer gives other values.
"""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.storage.durable import write_durably
from schemas.columns import HASH_LENGTH
from schemas.tables import PAGES

if TYPE_CHECKING:
    from pipelines.kalshi.response import Response

_CHECKSUM = "checksum"


class ContentMismatch(Exception):
    """A file is missing or its content has changed; `str()` says how."""


@dataclass(frozen=True, slots=True)
class Page:
    """One landed response. `path` is the request's, without host and cursor; `fetched_at` is UTC."""

    number: int
    path: str
    cursor: str | None
    next_cursor: str | None
    fetched_at: datetime
    records: int
    body: bytes

    @classmethod
    def of(cls, number: int, path: str, cursor: str | None, response: Response) -> Page:
        """A response to the request of `path` and `cursor`, as the page with this number."""
        return cls(number, path, cursor, response.next_cursor, response.fetched_at, response.records, response.body)

    @property
    def is_list(self) -> bool:
        """Whether it is a page of milestones, not the response for one id."""
        return "?" in self.path


def checksum(*parts: bytes) -> str:
    """The checksum of all parts together, in hexadecimal."""
    digest = hashlib.blake2b(digest_size=HASH_LENGTH // 2)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def write_page(file: Path, page: Page) -> None:
    """Write a page atomically; once this returns it survives a kill or a power cut."""
    table = _table(page)
    write_durably(file, lambda path: _write(table, path))


def page_as_bytes(page: Page) -> bytes:
    """The content of a page's file."""
    out = pa.BufferOutputStream()
    _write(_table(page), out)
    return bytes(out.getvalue())


def read_page(file: Path, number: int) -> Page:
    """Read a page. Raises ContentMismatch."""
    return _read(file, number)


def page_of_bytes(content: bytes, number: int) -> Page:
    """Read a page from the content of its file. Raises ContentMismatch."""
    return _read(pa.BufferReader(content), number)


def _table(page: Page) -> pa.Table:
    row = [*_row(page), _page_checksum(page)]
    return pa.Table.from_arrays(
        [pa.array([value], type=field.type) for value, field in zip(row, PAGES.arrow_schema, strict=True)],
        schema=PAGES.arrow_schema,
    )


def _write(table: pa.Table, where: Path | pa.NativeFile) -> None:
    pq.write_table(table, where, compression="zstd", write_statistics=False, write_page_checksum=True)


def _read(file: Path | pa.NativeFile, number: int) -> Page:
    try:
        row = pq.ParquetFile(file, page_checksum_verification=True).read().to_pylist()[0]
    except Exception as error:
        # A damaged file can raise any error of Arrow or of its conversion to Python. Arrow's OSErrors have no errno:
        # one with an errno, such as a missing permission, is no damage.
        if isinstance(error, OSError) and error.errno not in (None, errno.ENOENT, errno.EIO):
            raise
        reason = "it is missing" if isinstance(error, FileNotFoundError) else " ".join(str(error).split())[:200]
        raise ContentMismatch(reason) from error
    names = PAGES.arrow_schema.names
    # Pages of older versions have no checksum, and all other columns.
    expected = row.pop(_CHECKSUM, None) if list(row) == names else None
    if list(row) != [name for name in names if name != _CHECKSUM]:
        raise ContentMismatch("its columns are not those of a page")
    row["number"] = row.pop("page")
    page = Page(**row)
    if page.number != number or (expected is not None and expected != _page_checksum(page)):
        raise ContentMismatch("its content does not match its checksum")
    return page


def _row(page: Page) -> list[object]:
    """The values of PAGES for a page, without the checksum."""
    return [page.number, page.path, page.cursor, page.next_cursor, page.fetched_at, page.records, page.body]


def _page_checksum(page: Page) -> str:
    return checksum(msgspec.json.encode(_row(page)[:-1]), page.body)
