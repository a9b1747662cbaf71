"""Pages of workers become one sweep, which the stages resume as if one machine had been interrupted."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from pathlib import Path

import pytest

from pipelines.cluster.merging import land_as_sweep
from pipelines.cluster.shared_pages import SharedPages, as_landed
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.split_scan import divide, read_range
from pipelines.storage.lake import Lake, LakeAddress
from pipelines.storage.landing import Landing, Page, Traffic
from tests.support import Shell, Shells, as_bytes, milestone

ROWS = [milestone(number) for number in range(120)]
QUERY = MilestoneQuery(limit=10)
TRAFFIC = [Traffic(requests=7, bytes=100), Traffic(requests=8, retries=1)]

pytestmark = pytest.mark.slow


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    folder = tmp_path / "lake"
    folder.mkdir()
    return Lake.open(LakeAddress(None, str(folder)))


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    return shells(tmp_path / "home", ROWS)


def pages_of_workers(shell: Shell, lake: Lake, *, most_pages: int = 100) -> list[Page]:
    """The pages of three ranges, at most so many of each."""
    shared = SharedPages(lake, "run")
    with shell.client() as api:
        ranges, first_pages = divide(api, QUERY, now=shell.clock(), ranges=3)
        for place, one in enumerate(ranges):
            part = f"range_{place:04d}"
            shared.put(part, 1, first_pages[one.begins])
            landed = as_landed(one, shared.of_part(part))
            found = read_range(api, QUERY, one, landed, may_continue=lambda: True)
            for number, fetched in enumerate(islice(found, most_pages - 1), start=2):
                shared.put(part, number, fetched)
    assert len(ranges) == 3
    return shared.all(shared.parts())


def ids_in(shell: Shell) -> set[str]:
    return {row[0] for row in shell.rows("SELECT milestone_id FROM milestones")}


@pytest.mark.parametrize("most_pages", [100, 1], ids=["all pages", "first pages only"])
def test_the_sweep_of_the_pages_is_resumed_completed_and_loaded(shell: Shell, lake: Lake, most_pages: int) -> None:
    started_at = shell.clock()
    pages = pages_of_workers(shell, lake, most_pages=most_pages)
    land_as_sweep(shell.home, lake, pages, TRAFFIC, started_at=started_at, now=shell.clock())
    row = shell.sweep(mode="full")
    assert (row.mode, row.started_at, row.is_complete) == ("full", started_at, True)
    assert ids_in(shell) == {one["id"] for one in ROWS}
    assert row.requests > 15, "those of the workers count too"
    assert len(list(shell.home.raw.iterdir())) == 1, "it was resumed, not begun again"


def test_a_milestone_that_moved_while_the_workers_read_is_caught_up(shell: Shell, lake: Lake) -> None:
    started_at = shell.clock()
    pages = pages_of_workers(shell, lake)
    moved = milestone(999, last_updated_ts=f"{shell.clock() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}")
    shell.world.load(as_bytes([moved]))
    land_as_sweep(shell.home, lake, pages, TRAFFIC, started_at=started_at, now=shell.clock())
    shell.sweep(mode="full")
    assert moved["id"] in ids_in(shell)


def test_a_killed_merge_is_continued(shell: Shell, lake: Lake) -> None:
    started_at = shell.clock()
    pages = pages_of_workers(shell, lake)
    for some in (pages[:4], pages):
        land_as_sweep(shell.home, lake, some, TRAFFIC, started_at=started_at, now=shell.clock())
    (folder,) = shell.home.raw.iterdir()
    landing = Landing.open(shell.home.raw, folder.name)
    assert [page.cursor for page in landing.pages()] == [page.cursor for page in pages]
    assert landing.sweep.traffic == Traffic(requests=15, retries=1, bytes=100)


def test_a_sweep_that_was_loaded_meanwhile_is_left_alone(shell: Shell, lake: Lake) -> None:
    started_at = shell.clock()
    pages = pages_of_workers(shell, lake)
    land_as_sweep(shell.home, lake, pages, TRAFFIC, started_at=started_at, now=shell.clock())
    shell.sweep(mode="full")
    land_as_sweep(shell.home, lake, pages, TRAFFIC, started_at=started_at, now=shell.clock())
    landing = Landing.newest(shell.home.raw)
    assert landing is not None
    assert landing.sweep.state == "loaded"
