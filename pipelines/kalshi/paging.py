"""Where a crawl stands and whether it still leads somewhere: the paging rules without any network.

The only end is an empty cursor. Every way in which pages could go on for ever has a bound and a PagingFault.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from pipelines.kalshi.errors import PagingFault

MAX_CURSOR_BYTES = 16 * 1024
"""A cursor travels in the URL, and servers refuse longer lines; real ones have about 60 bytes."""
MAX_EMPTY_PAGES = 3
MAX_STALE_PAGES = 3
MAX_PAGES = 100_000
"""Three hundred times the pages of November 2026: no cap that ever hides rows, only an end to a runaway."""


class Paging:
    """Feed it every page with `advance`; it says which cursor comes next, or raises PagingFault.

    It can start again from the cursors of pages already landed (`Paging.resumed`). Memory is fixed for ids and
    16 bytes of digest for each cursor, whatever the crawl brings.
    """

    def __init__(self, *, max_pages: int = MAX_PAGES, max_cursor_bytes: int = MAX_CURSOR_BYTES) -> None:
        self._max_pages = max_pages
        self._max_cursor_bytes = max_cursor_bytes
        self._cursor: str | None = None
        self._is_done = False
        self._pages = 0
        self._empty_in_a_row = 0
        self._stale_in_a_row = 0
        # All of them: a guard that knows the last one only misses A, B, A, B.
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

        The rules on cursors hold across the break exactly; those on ids and empty pages count anew, so they
        speak up at most three pages later than in one go.
        """
        paging = cls(max_pages=max_pages, max_cursor_bytes=max_cursor_bytes)
        for cursor in next_cursors:
            paging._turn_page(cursor)
        return paging

    @property
    def next_cursor(self) -> str | None:
        """The cursor of the page to ask for; None for the first page and when done."""
        return self._cursor

    @property
    def is_done(self) -> bool:
        """Whether the last page was seen."""
        return self._is_done

    @property
    def pages(self) -> int:
        """Pages taken so far, landed ones included."""
        return self._pages

    def advance(self, next_cursor: str | None, ids: Iterable[str]) -> None:
        """Take one page: the cursor it gave ("" and None: it was the last) and the ids of its milestones."""
        count, new = self._ids.add(ids)
        if new:
            self._empty_in_a_row = self._stale_in_a_row = 0
        elif count:
            self._stale_in_a_row += 1
        else:
            # Does not end a run of stale pages: else the two could take turns for ever.
            self._empty_in_a_row += 1
        self._turn_page(next_cursor)
        if self._is_done:
            return
        if self._empty_in_a_row > MAX_EMPTY_PAGES:
            raise self._fault(
                "empty pages", f"{self._empty_in_a_row} pages in a row held no milestone, yet more follow"
            )
        if self._stale_in_a_row >= MAX_STALE_PAGES:
            raise self._fault("no new ids", f"{self._stale_in_a_row} pages brought only milestones that came before")

    def forget_ids(self) -> None:
        """Give back the memory for ids: the rules on them count anew from here on."""
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
            raise self._fault("cursor too long", f"it has {len(raw):,} bytes of at most {self._max_cursor_bytes:,}")
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if digest in self._cursors:
            raise self._fault("cursor came before", "it was given earlier in this sweep, so the pages go in a circle")
        self._cursors.add(digest)
        if self._pages >= self._max_pages:
            raise self._fault("too many pages", f"{self._pages:,} pages are the most that one sweep reads")

    def _fault(self, rule: str, detail: str) -> PagingFault:
        return PagingFault(rule, page=self._pages, detail=detail, cursor=self._cursor or "")


class SeenIds:
    """Which ids came before, in 4 MiB however many come: a Bloom filter.

    A seen id is always recognised, so a repeating crawl is always noticed, whatever its period; a window of
    recent pages would miss long periods and a set grows with the crawl (100 bytes an id). A new id is
    taken for a seen one with a chance of 2 in 10,000 after a million ids: a fault needs three whole pages of
    such mistakes, which no page of any size worth the name will bring.
    """

    _BITS = 4 * 1024 * 1024 * 8
    _PROBES = 4

    def __init__(self) -> None:
        self._bits = bytearray(self._BITS // 8)

    def __contains__(self, milestone_id: str) -> bool:
        """Whether an id came before; True by mistake as rarely as said above."""
        halves = hash(milestone_id)
        first, step = halves & 0xFFFFFFFF, halves >> 32 | 1
        places = ((first + number * step) % self._BITS for number in range(1, self._PROBES + 1))
        return all(self._bits[place >> 3] & 1 << (place & 7) for place in places)

    def add(self, ids: Iterable[str]) -> tuple[int, int]:
        """Remember them; how many they were, and how many of them are new."""
        bits, size = self._bits, self._BITS
        count = new = 0
        for one in ids:
            # Two halves of one hash, whose key is this process's own, give as many places as are wanted.
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
