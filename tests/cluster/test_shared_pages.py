"""The pages of several workers in one lake: which of them belong together."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from pipelines.cluster.shared_pages import OUTPUTS, SharedPages, cluster_lake, remove_ended
from pipelines.errors import WrongSetting
from pipelines.kalshi.response import Response
from pipelines.kalshi.scans import Fetched
from pipelines.storage.lake import Lake, LakeAddress
from tests.support import NOON, page_body

RUN = "02189070-d522-46b3-8160-95e866c8372f"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.open(LakeAddress(None, str(tmp_path)))


@pytest.fixture
def pages(lake: Lake) -> SharedPages:
    return SharedPages(lake, RUN)


def fetched(cursor: str | None, next_cursor: str | None) -> Fetched:
    body = page_body([], next_cursor or "")
    response = Response(body=body, next_cursor=next_cursor, ids=(), fetched_at=NOON, url_path="/milestones")
    return Fetched("/milestones?limit=5", cursor, response)


def put(pages: SharedPages, part: str, *cursors: str | None, first: int = 1) -> None:
    """Put the pages between these cursors."""
    for number, (cursor, following) in enumerate(pairwise(cursors), start=first):
        pages.put(part, number, fetched(cursor, following))


def cursors_of(pages: SharedPages, part: str) -> list[str | None]:
    return [page.cursor for page in pages.of_part(part)]


def test_the_pages_of_all_parts_are_numbered_in_the_order_of_the_parts(pages: SharedPages) -> None:
    put(pages, "range_0001", None, "x", None)
    put(pages, "range_0000", None, "a", "b", None)
    assert pages.parts() == ["range_0000", "range_0001"]
    joined = pages.all(pages.parts())
    assert [(page.number, page.cursor) for page in joined] == [(1, None), (2, "a"), (3, "b"), (4, None), (5, "x")]


def test_pages_after_a_missing_one_do_not_count(pages: SharedPages) -> None:
    put(pages, "range_0000", None, "a")
    put(pages, "range_0000", "b", "c", first=3)
    assert cursors_of(pages, "range_0000") == [None]


def test_pages_of_two_workers_that_do_not_follow_each_other_do_not_count(pages: SharedPages) -> None:
    put(pages, "range_0000", None, "a", "b", "c")
    # A second worker read the list after it had changed, and was killed after its second page.
    put(pages, "range_0000", None, "a2", "b2")
    assert cursors_of(pages, "range_0000") == [None, "a2"]


def test_pages_after_a_damaged_one_do_not_count(pages: SharedPages, tmp_path: Path) -> None:
    put(pages, "range_0000", None, "a", "b", None)
    (file,) = tmp_path.rglob("page-000002.parquet")
    file.write_bytes(file.read_bytes()[:-20])
    assert cursors_of(pages, "range_0000") == [None]


def test_pages_after_the_last_one_of_the_list_do_not_count(pages: SharedPages) -> None:
    put(pages, "range_0000", None, "a", None)
    pages.put("range_0000", 3, fetched(None, "z"))
    assert cursors_of(pages, "range_0000") == [None, "a"]


def test_only_what_ended_runs_left_is_removed(lake: Lake) -> None:
    for run in ("ended", "running"):
        put(SharedPages(lake, run), "range_0000", None, "a")
        lake.write(f"{OUTPUTS}/{run}/divide_list-ranges.json", b"{}")
    remove_ended(lake, is_running=lambda run: run == "running")
    assert (lake.folders("raw"), lake.folders(OUTPUTS)) == (["running"], ["running"])


def test_without_a_lake_the_error_says_which_setting_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILESTONES_LAKE", raising=False)
    with pytest.raises(WrongSetting, match="MILESTONES_LAKE is not set: give s3://"):
        cluster_lake()
