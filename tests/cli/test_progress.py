"""Progress: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from pipelines.cli.progress import SECONDS_BETWEEN_LINES, BarProgress, PlainProgress, progress_for
from pipelines.storage.landing import Filters, Mode, Page, Sweep
from tests.support import NOON


def console(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120)


def text_of(shown_on: Console) -> str:
    return str(shown_on.file.getvalue())  # type: ignore[attr-defined]


def sweep(mode: Mode = "full") -> Sweep:
    return Sweep(sweep_id="000001-20261123T120000Z", mode=mode, filters=Filters(), started_at=NOON, pages=7)


def page(number: int, records: int = 500) -> Page:
    return Page(number, "/milestones?limit=500", None, None, NOON, records, b"")


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_at_the_first_page_and_then_now_and_then() -> None:
    shown_on, clock = console(), Seconds()
    with PlainProgress(shown_on, clock=clock) as progress:
        for number in range(1, 32):
            clock.now += 1
            progress.page(sweep(), page(number))
    lines = text_of(shown_on).splitlines()
    assert lines[0] == "full sweep 000001-20261123T120000Z: page 1, 500 records, 500/s"
    assert [int(re.search(r"page (\d+),", line)[1]) for line in lines] == [1, 11, 21, 31]  # type: ignore[index]
    assert lines[-1].endswith("page 31, 15,500 records, 500/s")
    assert SECONDS_BETWEEN_LINES == 10


def test_no_pages_no_lines() -> None:
    shown_on = console()
    with PlainProgress(shown_on):
        pass
    assert text_of(shown_on) == ""


def test_a_sweep_that_is_taken_up_says_so() -> None:
    shown_on = console()
    with PlainProgress(shown_on) as progress:
        progress.resumed(sweep())
    assert text_of(shown_on) == "full sweep 000001-20261123T120000Z: resumed after page 7\n"


def bar_text(mode: Mode, expected_pages: int | None, pages: int) -> str:
    shown_on = console(terminal=True)
    with BarProgress(shown_on, expected_pages=expected_pages) as progress:
        for number in range(1, pages + 1):
            progress.page(sweep(mode), page(number))
    # The last picture, without colours.
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text_of(shown_on)).rsplit("\r", 2)[-2]


def test_a_bar_knows_how_many_pages_a_full_sweep_had() -> None:
    text = bar_text("full", 300, 3)
    assert "full sweep" in text
    assert "3/300 pages" in text
    assert "1,500 records" in text


def test_a_bar_grows_with_a_sweep_that_has_more_pages_than_the_last() -> None:
    assert "5/5 pages" in bar_text("full", 3, 5)


def test_a_bar_without_a_sweep_before() -> None:
    assert "2/? pages" in bar_text("full", None, 2)


def test_an_incremental_sweep_does_not_count_towards_a_full_one() -> None:
    assert "2/? pages" in bar_text("incremental", 300, 2)


@pytest.mark.parametrize(("terminal", "kind"), [(True, BarProgress), (False, PlainProgress)], ids=["terminal", "file"])
def test_which_fits(terminal: bool, kind: type) -> None:
    assert isinstance(progress_for(console(terminal=terminal)), kind)
