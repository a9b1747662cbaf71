"""The paging rules, without any network: which cursor comes next, and when a scan makes no progress.

Only an empty cursor ends a scan. Every way in which pages could continue for ever has a limit and a PagingFault.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pipelines.kalshi.errors import PagingFault

MAX_CURSOR_BYTES = 16 * 1024
"""A cursor is part of the URL, and servers refuse longer request lines; real cursors have about 60 bytes."""
MAX_EMPTY_PAGES = 3
MAX_STALE_PAGES = 3
MAX_PAGES = 100_000
"""Three hundred times the pages of November 2026: it never hides rows, it only stops a runaway scan."""


class Paging:
    """The state of one scan: `advance` takes each page and raises PagingFault where a rule is broken.

    `Paging.resumed` restores the state from the cursors of landed pages. Memory: fixed for ids, 16 bytes of digest per
    cursor.
    """

    def __init__(self, *, max_pages: int = MAX_PAGES, max_cursor_bytes: int = MAX_CURSOR_BYTES) -> None:
        self._max_pages = max_pages
        self._max_cursor_bytes = max_cursor_bytes
        self._cursor: str | None = None
        self._is_done = False
        self._pages = 0
        self._empty_in_a_row = 0
        self._stale_in_a_row = 0
        # All cursors: comparing with the last one only would miss the cycle A, B, A, B.
        self._cursors: set[bytes] = set()
        self._ids = SeenIds()

    @classmethod
    def resumed(
        cls,
        next_cursors: Iterable[str | None],
        *,
        max_pages: int = MAX_PAGES,
        max_cursor_bytes: int = MAX_CURSOR_BYTES,
    ) -> Paging:
        """The state after landed pages, from the cursor that each of them gave, in order.

        The rules on cursors hold exactly across the interruption. The counts of empty pages and of pages without new
        ids start from 0, so these rules apply at most three pages later than in an uninterrupted scan.
        """
        paging = cls(max_pages=max_pages, max_cursor_bytes=max_cursor_bytes)
        for cursor in next_cursors:
            paging._turn_page(cursor)
        return paging

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the page to request; None for the first page and when done."""
        return self._cursor

    @property
    def is_done(self) -> bool:
        """Whether the last page was received."""
        return self._is_done

    @property
    def pages(self) -> int:
        """Pages so far, landed ones included."""
        return self._pages

    def advance(self, next_cursor: str | None, ids: Iterable[str]) -> None:
        """Add one page: the cursor it gave ("" or None on the last one) and the ids of its milestones."""
        count, new = self._ids.add(ids)
        if new:
            self._empty_in_a_row = self._stale_in_a_row = 0
        elif count:
            self._stale_in_a_row += 1
        else:
            # An empty page does not reset the count of stale pages: else the two could alternate for ever.
            self._empty_in_a_row += 1
        self._turn_page(next_cursor)
        if self._is_done:
            return
        if self._empty_in_a_row > MAX_EMPTY_PAGES:
            raise self._fault(
                "empty pages", f"{self._empty_in_a_row} pages in a row held no milestone, but more follow"
            )
        if self._stale_in_a_row >= MAX_STALE_PAGES:
            raise self._fault("no new ids", f"{self._stale_in_a_row} pages in a row held only milestones seen before")

    def forget_ids(self) -> None:
        """Free the memory for ids; every id counts as new from now on."""
        self._ids = SeenIds()

    def _turn_page(self, next_cursor: str | None) -> None:
        if self._is_done:
            raise self._fault("page after the end", "a page came after the last one")
        self._pages += 1
        self._cursor = next_cursor or None
        if self._cursor is None:
            self._is_done = True
            return
        raw = self._cursor.encode("utf-8", "surrogatepass")
        if len(raw) > self._max_cursor_bytes:
            raise self._fault(
                "cursor too long", f"it has {len(raw):,} bytes, at most {self._max_cursor_bytes:,} are allowed"
            )
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if digest in self._cursors:
            raise self._fault("cursor came before", "it was given earlier in this sweep, so the pages go in a circle")
        self._cursors.add(digest)
        if self._pages >= self._max_pages:
            raise self._fault("too many pages", f"one sweep reads at most {self._pages:,} pages")

    def _fault(self, rule: str, detail: str) -> PagingFault:
        return PagingFault(rule, page=self._pages, detail=detail, cursor=self._cursor or "")


class SeenIds:
    """The ids seen so far: a Bloom filter of 4 MiB, whatever their number.

    A seen id is always recognised, so a repeating scan is always detected, whatever its period; a window of recent
    pages would miss long periods, and a set grows by 100 bytes per id. After a million ids a new one is taken for seen
    with a probability of 2 in 10,000: a PagingFault by mistake needs three whole pages of such ids.
    """

    _BITS = 4 * 1024 * 1024 * 8
    _PROBES = 4

    def __init__(self) -> None:
        self._bits = bytearray(self._BITS // 8)

    def __contains__(self, milestone_id: str) -> bool:
        """Whether an id was seen; True by mistake with the probability above."""
        halves = hash(milestone_id)
        first, step = halves & 0xFFFFFFFF, halves >> 32 | 1
        places = ((first + number * step) % self._BITS for number in range(1, self._PROBES + 1))
        return all(self._bits[place >> 3] & 1 << (place & 7) for place in places)

    def add(self, ids: Iterable[str]) -> tuple[int, int]:
        """Add ids. Returns how many there were and how many of them are new."""
        bits, size = self._bits, self._BITS
        count = new = 0
        for one in ids:
            # Double hashing: two halves of one hash, which is keyed per process, give all probe positions.
            halves = hash(one)
            position, step = halves & 0xFFFFFFFF, halves >> 32 | 1
            is_new = False
            for _ in range(self._PROBES):
                position = (position + step) % size
                byte, mask = position >> 3, 1 << (position & 7)
                if not bits[byte] & mask:
                    bits[byte] |= mask
                    is_new = True
            count += 1
            new += is_new
        return count, new
