"""Raw pages that several machines land of one sweep: each an object like the file of a landed page, with its checksum.

Each machine writes a part of its own in the lake, `raw/<sweep>/parts/<part>/`, with numbers from 1. The machine that
loads the sweep reads all parts.
"""

from __future__ import annotations

import re

from pipelines.errors import LakeObjectMissing, SweepDamaged, WrongUse
from pipelines.storage.lake import RAW, Lake
from pipelines.storage.page_files import ContentMismatch, Page, page_as_bytes, page_of_bytes

PARTS = "parts"

_PAGE = re.compile(r"page-(\d{6,})\.parquet", re.ASCII)
_PART = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}", re.ASCII)


class LakePages:
    """The pages of one part of a sweep in the lake. Methods raise LakeUnusable."""

    def __init__(self, lake: Lake, sweep_id: str, part: str) -> None:
        if not _PART.fullmatch(part):
            raise WrongUse(f"{part!r} is no name of a part: give lower case letters, digits, - and _")
        self._folder = lake.below(f"{RAW}/{sweep_id}/{PARTS}/{part}")

    def __str__(self) -> str:
        return str(self._folder)

    def put(self, page: Page) -> None:
        """Write a page; once this returns, other machines can read it. The same page again replaces it."""
        self._folder.write(_name(page.number), page_as_bytes(page))

    def numbers(self) -> list[int]:
        """The numbers of the pages in the lake, in order; a gap means that a page is not there (yet)."""
        names = map(_PAGE.fullmatch, self._folder.sizes())
        return sorted(int(match[1]) for match in names if match)

    def read(self, number: int) -> Page:
        """Read a page and verify its checksum. Raises SweepDamaged, also for a page that is missing."""
        name = _name(number)
        try:
            return page_of_bytes(self._folder.read(name), number)
        except (ContentMismatch, LakeObjectMissing) as error:
            raise SweepDamaged(
                f"{self}/{name} is missing or damaged ({error}): run milestones ingest, which fetches it again",
                good_pages=number - 1,
            ) from error


def parts_of(lake: Lake, sweep_id: str) -> list[str]:
    """The names of the parts of a sweep, in order."""
    return sorted(lake.folders(f"{RAW}/{sweep_id}/{PARTS}"))


def _name(number: int) -> str:
    return f"page-{number:06d}.parquet"
