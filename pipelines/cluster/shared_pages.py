"""The pages of one run in the lake, a part for each range of starts, and how the merge joins them into one sweep.

They are in a folder of their own, beside the sweeps: the run that merges them makes a sweep of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pipelines.errors import SweepDamaged, WrongSetting
from pipelines.kalshi.response import read_page
from pipelines.kalshi.scans import Fetched
from pipelines.kalshi.shards import LandedPage
from pipelines.kalshi.split_scan import StartRange
from pipelines.settings import setting
from pipelines.storage.lake import LAKE_VARIABLE, RAW, Lake, LakeAddress
from pipelines.storage.lake_pages import LakePages, parts_of
from pipelines.storage.landing import Page

OUTPUTS = "outputs"
"""The folder for the outputs of steps, by run."""

READERS = 8
"""Pages that are read at once: each is a request to the object store."""


def cluster_lake() -> Lake:
    """The folder of the lake that the workers share. Raises WrongSetting."""
    return whole_lake().below("cluster")


def whole_lake() -> Lake:
    """The lake, with the copy of the home. Raises WrongSetting."""
    lake = setting("lake")
    if not lake:
        raise WrongSetting(f"{LAKE_VARIABLE} is not set: give s3://BUCKET/PREFIX, where all machines put their pages")
    return Lake.open(LakeAddress.parse(lake))


class SharedPages:
    """The pages of one run. All methods raise LakeUnusable."""

    def __init__(self, lake: Lake, run_id: str) -> None:
        self._lake = lake
        self._run_id = run_id

    def put(self, part: str, number: int, fetched: Fetched) -> None:
        """Write a page of a part; once this returns it survives the worker."""
        self._part(part).put(Page.of(number, fetched.path, fetched.cursor, fetched.response))

    def of_part(self, part: str) -> list[Page]:
        """The pages of a part up to the first that is missing, damaged, or no successor of the page before it.

        Two workers may have written one part, where the first was taken for dead: their pages may not fit together.
        """
        pages = self._part(part)
        numbers = pages.numbers()
        with ThreadPoolExecutor(READERS) as readers:
            return list(_connected(readers.map(lambda number: _read(pages, number), numbers)))

    def all(self, parts: Iterable[str]) -> list[Page]:
        """The pages of these parts, in this order, numbered from 1."""
        found = [page for part in parts for page in self.of_part(part)]
        return [replace(page, number=number) for number, page in enumerate(found, start=1)]

    def parts(self) -> list[str]:
        """The parts that have pages, in order."""
        return parts_of(self._lake, self._run_id)

    def remove(self) -> None:
        """Remove all pages of the run."""
        self._lake.remove_folder(f"{RAW}/{self._run_id}")

    def _part(self, part: str) -> LakePages:
        return LakePages(self._lake, self._run_id, part)


def remove_ended(lake: Lake, *, is_running: Callable[[str], bool]) -> None:
    """Remove what runs left that have ended: outputs of their steps, and pages that were not merged."""
    for folder in (RAW, OUTPUTS):
        for run_id in lake.folders(folder):
            if not is_running(run_id):
                lake.remove_folder(f"{folder}/{run_id}")


def as_landed(part: StartRange, pages: Iterable[Page]) -> list[LandedPage]:
    """The pages of a range, as the scan that resumes it needs them."""
    landed = []
    for page in pages:
        content = read_page(page.body)
        landed.append(LandedPage(part.begins, page.cursor, page.next_cursor, content.starts, content.ids))
    return landed


def _read(pages: LakePages, number: int) -> Page | None:
    try:
        return pages.read(number)
    except SweepDamaged:
        return None


def _connected(pages: Iterable[Page | None]) -> Iterator[Page]:
    cursor = None
    for number, page in enumerate(pages, start=1):
        if page is None or page.number != number or page.cursor != cursor:
            return
        yield page
        cursor = page.next_cursor
        if cursor is None:
            return
