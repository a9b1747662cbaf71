"""A page file: written and read back, and every difference named. Flipped bits are in test_landing_damage.py."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.storage.page_files import ContentMismatch, Page, checksum, read_page, write_page
from schemas.columns import HASH_LENGTH
from schemas.tables import PAGES
from tests.support import NOON

PAGE = Page(3, "/milestones?limit=500", "cursor", None, NOON, 1, b'{"milestones":[{"id":"a"}]}')


def test_a_page_is_read_as_written(tmp_path: Path) -> None:
    write_page(tmp_path / "page", PAGE)
    assert read_page(tmp_path / "page", 3) == PAGE
    assert pq.read_schema(tmp_path / "page").names == PAGES.arrow_schema.names
    assert [path.name for path in tmp_path.iterdir()] == ["page"]


def test_list_pages_have_a_query() -> None:
    assert PAGE.is_list
    assert not dataclasses.replace(PAGE, path="/milestones/93ce8b69").is_list


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ContentMismatch, match=r"^it is missing$"):
        read_page(tmp_path / "page", 1)


def test_another_page_number(tmp_path: Path) -> None:
    write_page(tmp_path / "page", PAGE)
    with pytest.raises(ContentMismatch, match=r"^its content does not match its checksum$"):
        read_page(tmp_path / "page", 4)


@pytest.mark.parametrize(
    ("column", "changed"),
    [("body", dataclasses.replace(PAGE, body=b"x")), ("cursor", dataclasses.replace(PAGE, cursor="x"))],
    ids=["body", "cursor"],
)
def test_another_value_under_the_same_checksum(tmp_path: Path, column: str, changed: Page) -> None:
    write_page(tmp_path / "page", PAGE)
    table = pq.read_table(tmp_path / "page")
    write_page(tmp_path / "changed", changed)
    index = table.schema.get_field_index(column)
    pq.write_table(table.set_column(index, column, pq.read_table(tmp_path / "changed")[column]), tmp_path / "page")
    with pytest.raises(ContentMismatch, match=r"^its content does not match its checksum$"):
        read_page(tmp_path / "page", 3)


def test_checksums_cover_all_parts() -> None:
    assert checksum(b"a", b"b") == checksum(b"ab") != checksum(b"a")
    assert len(checksum(b"")) == HASH_LENGTH
