"""Landed sweeps: sweep numbers, pages byte for byte, and folders of killed runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Literal

import pytest

from pipelines.storage.landing import SWEEP_FILE, Filters, Landing, Page, Sweep, Traffic
from tests.support import NOON


def begin(raw: Path, now: datetime = NOON) -> Landing:
    return Landing.begin(raw, mode="full", filters=Filters(), ids=[], now=now)


def page(number: int, body: bytes = b'{"milestones":[]}') -> Page:
    return Page(number, "/milestones?limit=500", None, "next", NOON, 0, body)


def test_the_first_sweep(tmp_path: Path) -> None:
    landing = begin(tmp_path / "raw")
    assert landing.sweep == Sweep(
        sweep_id="000001-20261123T120000Z", mode="full", filters=Filters(), started_at=NOON, state="landing"
    )
    assert [path.name for path in landing.folder.iterdir()] == [SWEEP_FILE]


def test_numbers_increase_although_the_clock_was_set_back(tmp_path: Path) -> None:
    before = begin(tmp_path)
    after = begin(tmp_path, NOON - timedelta(days=400))
    assert after.sweep.sweep_id == "000002-20251019T120000Z"
    assert after.sweep.sweep_id > before.sweep.sweep_id
    newest = Landing.newest(tmp_path)
    assert newest is not None
    assert newest.sweep == after.sweep


def test_numbers_of_incomplete_folders_are_not_reused(tmp_path: Path) -> None:
    (tmp_path / "000007-20260101T000000Z").mkdir(parents=True)
    (tmp_path / "000003-20260101T000000Z").mkdir()
    assert begin(tmp_path).sweep.sweep_id.startswith("000008-")


@pytest.mark.parametrize(
    "name",
    ["notes", "000009-20260101", "000009-20260101T000000Z.tmp", "000009-20260101T000000Z\n", "٠٠٠٠٠٩-20260101T000000Z"],
    ids=["another folder", "no time", "temporary", "a newline", "digits that are not ASCII"],
)
def test_folders_with_other_names_are_ignored(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / SWEEP_FILE).write_text("{}")
    assert Landing.newest(tmp_path) is None
    assert begin(tmp_path).sweep.sweep_id.startswith("000001-")


def test_a_file_with_the_name_of_a_sweep_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "000009-20260101T000000Z").write_text("")
    assert Landing.newest(tmp_path) is None
    assert begin(tmp_path).sweep.sweep_id.startswith("000001-")


def test_no_sweep_has_landed(tmp_path: Path) -> None:
    assert Landing.newest(tmp_path / "raw") is None
    assert Landing.newest(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [b"", b'{"sweep_id": "0000', b'{"sweep_id": 3}', b"\xff\x00\xfe"],
    ids=["empty", "truncated", "other fields", "not UTF-8"],
)
def test_a_damaged_sweep_file_is_ignored_and_its_number_is_not_reused(tmp_path: Path, damage: bytes) -> None:
    whole = begin(tmp_path)
    damaged = begin(tmp_path)
    (damaged.folder / SWEEP_FILE).write_bytes(damage)
    newest = Landing.newest(tmp_path)
    assert newest is not None
    assert newest.sweep.sweep_id == whole.sweep.sweep_id
    assert begin(tmp_path).sweep.sweep_id.startswith("000003-")


def test_a_folder_without_a_sweep_file_is_ignored_and_its_number_is_not_reused(tmp_path: Path) -> None:
    whole = begin(tmp_path)
    killed = begin(tmp_path)
    (killed.folder / SWEEP_FILE).rename(killed.folder / (SWEEP_FILE + ".tmp"))
    newest = Landing.newest(tmp_path)
    assert newest is not None
    assert newest.sweep.sweep_id == whole.sweep.sweep_id
    assert begin(tmp_path).sweep.sweep_id.startswith("000003-")


BODIES = {
    "a page": b'{"milestones":[{"id":"a"}],"cursor":""}',
    "whitespace and a final newline": b' { "milestones" : [ ] }\r\n',
    "not UTF-8": b'{"milestones":["\xff\xfe\xc3"]}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "NUL": b"\x00" * 17,
    "empty": b"",
    "a megabyte": bytes(range(256)) * 4096,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_are_read_byte_for_byte(tmp_path: Path, body: bytes) -> None:
    landing = begin(tmp_path)
    landing.land(page(1, body))
    (read,) = Landing.open(tmp_path, landing.sweep.sweep_id).pages()
    assert read.body == body


def test_pages_are_read_complete_and_in_order(tmp_path: Path) -> None:
    landing = begin(tmp_path)
    moment = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
    pages = [
        Page(1, "/milestones?limit=500&category=Science+%26+Technology", None, "b&=%2B é\U0001f3c0", moment, 2, b"1"),
        Page(2, "/milestones?limit=500", "b&=%2B é\U0001f3c0", None, moment + timedelta(microseconds=1), 0, b"2"),
        Page(3, "/milestones/93ce8b69", None, None, moment, 1, b"3"),
    ]
    # Not in reading order: a file system lists files in any order.
    for written in reversed(pages):
        landing.land(written)
    assert list(landing.pages()) == pages
    assert [read.is_list for read in landing.pages()] == [True, True, False]
    assert all(read.fetched_at.utcoffset() == timedelta(0) for read in landing.pages())


def test_an_incomplete_page_is_not_read(tmp_path: Path) -> None:
    landing = begin(tmp_path)
    landing.land(page(1))
    (landing.folder / "page-000002.parquet.tmp").write_bytes(b"PAR1")
    assert [read.number for read in landing.pages()] == [1]
    landing.land(page(2))
    assert [path.name for path in sorted(landing.folder.iterdir())] == [
        "page-000001.parquet",
        "page-000002.parquet",
        SWEEP_FILE,
    ]


def test_landing_a_page_counts_it(tmp_path: Path) -> None:
    landing = begin(tmp_path)
    landing.land(page(1))
    landing.land(page(2))
    landing.save()
    assert Landing.open(tmp_path, landing.sweep.sweep_id).sweep.pages == 2


FILTERS = {
    "none": Filters(),
    "a start in UTC": Filters(minimum_start_date=NOON),
    "a start in another time zone": Filters(minimum_start_date=NOON.astimezone(timezone(timedelta(hours=-5)))),
    "a start with microseconds": Filters(minimum_start_date=NOON.replace(microsecond=1)),
    "an update time": Filters(min_updated_ts=1_795_435_200),
    "update time 0": Filters(min_updated_ts=0),
    "a category": Filters(category='Science & Technology "é"'),
    "all filters": Filters(minimum_start_date=NOON, min_updated_ts=-1, category="Sports", type="football_game"),
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_filters_are_read_as_written(tmp_path: Path, filters: Filters) -> None:
    landing = Landing.begin(tmp_path, mode="partial", filters=filters, ids=[], now=NOON)
    assert Landing.open(tmp_path, landing.sweep.sweep_id).sweep.filters == filters


def test_a_sweep_is_read_as_written(tmp_path: Path) -> None:
    landing = Landing.begin(tmp_path, mode="by_id", filters=Filters(), ids=["a", "b"], now=NOON)
    landing.sweep.not_found.append("b")
    landing.sweep.traffic = Traffic(requests=3, retries=1, rate_limited=1, bytes=512)
    landing.sweep.state, landing.sweep.error = "failed", "it broke:\n\x1b[31m"
    landing.save()
    assert Landing.open(tmp_path, landing.sweep.sweep_id).sweep == landing.sweep
    assert [path.name for path in landing.folder.iterdir()] == [SWEEP_FILE]


@pytest.mark.parametrize(
    ("state", "complete"),
    [("landing", False), ("landed", True), ("loaded", True), ("failed", False)],
    ids=["landing", "landed", "loaded", "failed"],
)
def test_is_landed(state: Literal["landing", "landed", "loaded", "failed"], complete: bool) -> None:
    sweep = Sweep(sweep_id="x", mode="full", filters=Filters(), started_at=NOON, state=state)
    assert sweep.is_landed is complete
