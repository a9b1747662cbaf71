"""Paging ends at the last page, or raises within a bounded number of pages."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kalshi.errors import PagingFault
from pipelines.kalshi.paging import MAX_CURSOR_BYTES, MAX_EMPTY_PAGES, MAX_STALE_PAGES, Paging, SeenIds


def feed(paging: Paging, pages: Iterable[tuple[str, list[str]]]) -> None:
    for cursor, ids in pages:
        paging.advance(cursor, ids)


CURSORS = st.text(min_size=1, max_size=40)


def test_from_the_first_page_to_the_last() -> None:
    paging = Paging()
    assert (paging.next_cursor, paging.is_done, paging.pages) == (None, False, 0)
    paging.advance("a", ["1"])
    assert (paging.next_cursor, paging.is_done, paging.pages) == ("a", False, 1)
    paging.advance("", ["2"])
    assert (paging.next_cursor, paging.is_done, paging.pages) == (None, True, 2)


def test_a_page_after_the_last_one_is_an_error() -> None:
    paging = Paging()
    paging.advance(None, [])
    with pytest.raises(PagingFault) as caught:
        paging.advance("a", ["1"])
    assert caught.value.rule == "page after the end"


@pytest.mark.parametrize("period", [1, 2, 3, 50])
def test_a_circle_of_cursors(period: int) -> None:
    paging = Paging()
    with pytest.raises(PagingFault) as caught:
        feed(paging, ((f"cursor {page % period}", [f"id {page}"]) for page in itertools.count()))
    assert caught.value.rule == "cursor came before"
    assert caught.value.page == period + 1
    assert caught.value.cursor == "cursor 0"
    assert "circle" in str(caught.value)


@pytest.mark.parametrize("period", [1, 2, 7, 300])
def test_new_cursors_without_new_ids_are_an_error(period: int) -> None:
    paging = Paging()
    with pytest.raises(PagingFault) as caught:
        feed(paging, ((f"cursor {page}", [f"id {page % period}"]) for page in itertools.count()))
    assert caught.value.rule == "no new ids"
    assert caught.value.page == period + MAX_STALE_PAGES


def test_one_new_id_is_progress() -> None:
    paging = Paging()
    for page in range(1000):
        paging.advance(f"cursor {page}", ["same", f"id {page // 2}"])
    assert paging.pages == 1000


def test_too_many_empty_pages_are_an_error() -> None:
    paging = Paging()
    for page in range(MAX_EMPTY_PAGES):
        paging.advance(f"a{page}", [])
    paging.advance("b", ["1"])
    for page in range(MAX_EMPTY_PAGES):
        paging.advance(f"c{page}", [])
    with pytest.raises(PagingFault) as caught:
        paging.advance("d", [])
    assert caught.value.rule == "empty pages"
    assert "4 pages in a row held no milestone" in str(caught.value)


def test_an_empty_last_page_ends_the_scan() -> None:
    paging = Paging()
    for page in range(MAX_EMPTY_PAGES):
        paging.advance(f"a{page}", [])
    paging.advance("", [])
    assert paging.is_done


def test_alternating_empty_and_stale_pages_are_an_error() -> None:
    paging = Paging()
    paging.advance("first", ["1"])
    with pytest.raises(PagingFault):
        feed(paging, ((f"cursor {page}", ["1"] if page % 2 else []) for page in range(100)))
    assert paging.pages < 10


def test_the_length_of_cursors_is_limited() -> None:
    Paging().advance("é" * (MAX_CURSOR_BYTES // 2), ["1"])
    with pytest.raises(PagingFault) as caught:
        Paging().advance("é" * (MAX_CURSOR_BYTES // 2) + "e", ["1"])
    assert caught.value.rule == "cursor too long"
    assert len(str(caught.value)) < 400
    assert "16,385 bytes" in str(caught.value)


def test_the_number_of_pages_is_limited() -> None:
    paging = Paging(max_pages=3)
    paging.advance("a", ["1"])
    paging.advance("b", ["2"])
    with pytest.raises(PagingFault) as caught:
        paging.advance("c", ["3"])
    assert caught.value.rule == "too many pages"
    last_in_time = Paging(max_pages=1)
    last_in_time.advance("", ["1"])
    assert last_in_time.is_done


def test_control_characters_of_a_cursor_do_not_reach_the_message() -> None:
    paging = Paging()
    paging.advance("\x1b[31m\n", ["1"])
    with pytest.raises(PagingFault) as caught:
        paging.advance("\x1b[31m\n", ["2"])
    assert str(caught.value).isprintable()


@given(st.lists(st.tuples(CURSORS, st.integers(1, 5)), max_size=30, unique_by=lambda page: page[0]), st.booleans())
def test_any_finite_list_is_read_exactly(pages: list[tuple[str, int]], ends_with_none: bool) -> None:
    """A model of a server: cursor -> (ids, next cursor)."""
    chain: list[str | None] = [None, *(cursor for cursor, _ in pages)]
    numbers = itertools.count()
    server = {
        cursor: ([str(next(numbers)) for _ in range(pages[place - 1][1] if place else 1)], following)
        for place, (cursor, following) in enumerate(
            zip(chain, [*chain[1:], None if ends_with_none else ""], strict=True)
        )
    }
    paging, asked = Paging(), []
    while not paging.is_done:
        asked.append(paging.next_cursor)
        ids, following = server[paging.next_cursor]
        paging.advance(following, ids)
    assert asked == chain


@given(st.dictionaries(st.none() | st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"), min_size=1), st.data())
def test_any_endless_graph_of_pages_raises_within_bounded_steps(
    graph: dict[str | None, str], data: st.DataObject
) -> None:
    paging = Paging()

    def pages() -> Iterator[tuple[str, list[str]]]:
        while True:
            yield graph.get(paging.next_cursor, "a"), data.draw(st.lists(st.text(max_size=3), max_size=3))

    with pytest.raises(PagingFault):
        feed(paging, pages())
    assert paging.pages <= len("abcdefgh") + 1


@given(
    st.lists(st.sampled_from(["", *"abcdefghijkl"]), min_size=1, max_size=20).filter(lambda run: "" not in run[:-1]),
    st.integers(0, 20),
)
def test_resumed_paging_applies_the_same_rules_to_cursors(run: list[str], cut: int) -> None:
    """After an interruption, paging ends or raises the same fault at the same page as without one."""

    def read(paging: Paging, cursors: list[str]) -> tuple[str | None, bool, int] | str:
        try:
            for cursor in cursors:
                paging.advance(cursor, [f"id {paging.pages}"])
        except PagingFault as fault:
            return str(fault)
        return paging.next_cursor, paging.is_done, paging.pages

    try:
        resumed = read(Paging.resumed(run[:cut]), run[cut:])
    except PagingFault as fault:
        resumed = str(fault)
    assert resumed == read(Paging(), run)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_ids() -> None:
    paging = Paging()
    paging.advance("start", ["0"])
    tracemalloc.start()
    try:
        for page in range(40):
            paging.advance(f"cursor {page}", (f"id {page} {number}" for number in range(500)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 50_000


def test_seen_ids_are_recognised_and_new_ones_are_new() -> None:
    """With four probes a new id is taken for seen in 3 of 100 billion cases, with one in 1 of 400."""
    ids = SeenIds()
    first, second = ([f"{part} {number}" for number in range(20_000)] for part in ("first", "second"))
    assert not any(one in ids for one in first)
    assert ids.add(first) == (20_000, 20_000)
    assert all(one in ids for one in first)
    assert not any(one in ids for one in second)
    assert ids.add([*first, *second]) == (40_000, 20_000)


def test_forgotten_ids_are_new() -> None:
    paging = Paging()
    for page in range(2 * MAX_STALE_PAGES):
        paging.advance(f"cursor {page}", ["1"])
        paging.forget_ids()
    assert paging.pages == 2 * MAX_STALE_PAGES


def test_limits_hold_for_resumed_paging() -> None:
    pages = Paging.resumed(["a", "b"], max_pages=3)
    with pytest.raises(PagingFault, match="one sweep reads at most 3 pages"):
        pages.advance("c", ["1"])
    cursors = Paging.resumed(["a"], max_cursor_bytes=3)
    cursors.advance("bbb", ["1"])
    with pytest.raises(PagingFault, match="it has 4 bytes, at most 3 are allowed"):
        cursors.advance("cccc", ["2"])


def test_a_cursor_may_be_any_text_of_json() -> None:
    """JSON can hold half of a surrogate pair, which has no UTF-8."""
    paging = Paging()
    paging.advance("\ud800", ["1"])
    assert paging.next_cursor == "\ud800"


PAGES: dict[str, tuple[list[tuple[str, list[str]]], str]] = {
    "page after the end": ([("", ["1"]), ("a", ["2"])], "after page 1: a page came after the last one"),
    "cursor came before": (
        [("a", ["1"]), ("a", ["2"])],
        "after page 2 with the cursor `a`: it was given earlier in this sweep, so the pages go in a circle",
    ),
    "cursor too long": (
        [("abcde", ["1"])],
        "after page 1 with the cursor `abcde`: it has 5 bytes, at most 4 are allowed",
    ),
    "empty pages": (
        [("a", []), ("b", []), ("c", []), ("d", [])],
        "after page 4 with the cursor `d`: 4 pages in a row held no milestone, but more follow",
    ),
    "no new ids": (
        [("a", ["1", "1"]), ("b", ["1"]), ("c", ["1"]), ("d", ["1"])],
        "after page 4 with the cursor `d`: 3 pages in a row held only milestones seen before",
    ),
    "too many pages": (
        [(cursor, [cursor]) for cursor in "abcde"],
        "after page 5 with the cursor `e`: one sweep reads at most 5 pages",
    ),
}
"""By rule: pages that break it, of at most 5 and with cursors of at most 4 bytes, and what the error says happened."""


@pytest.mark.parametrize(("rule", "pages", "happened"), [(rule, *case) for rule, case in PAGES.items()], ids=PAGES)
def test_the_error_says_what_happened(rule: str, pages: list[tuple[str, list[str]]], happened: str) -> None:
    with pytest.raises(PagingFault) as caught:
        feed(Paging(max_pages=5, max_cursor_bytes=4), pages)
    assert caught.value.rule == rule
    assert str(caught.value).startswith(f"paging stopped {happened}")
    assert str(caught.value).removeprefix(f"paging stopped {happened}")[0] in ":;."
