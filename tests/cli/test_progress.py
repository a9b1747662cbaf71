"""Progress: a bar on a terminal, lines at intervals elsewhere, log records for unattended runs."""

from __future__ import annotations

import io
import logging
import re

import pytest
from rich.console import Console

from pipelines.cli.progress import SECONDS_BETWEEN_LINES, BarProgress, LogProgress, PlainProgress, progress_for
from pipelines.storage.landing import Filters, Mode, Page, Sweep
from tests.support import NOON


def console(*, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=120)


def text_of(display: Console) -> str:
    return str(display.file.getvalue())  # type: ignore[attr-defined]


def sweep(mode: Mode = "full") -> Sweep:
    return Sweep(sweep_id="000001-20261123T120000Z", mode=mode, filters=Filters(), started_at=NOON, pages=7)


def page(number: int, records: int = 500) -> Page:
    return Page(number, "/milestones?limit=500", None, None, NOON, records, b"")


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_line_for_the_first_page_then_one_every_ten_seconds() -> None:
    display, clock = console(), Seconds()
    with PlainProgress(display, clock=clock) as progress:
        for number in range(1, 32):
            clock.now += 1
            progress.page(sweep(), page(number))
    lines = text_of(display).splitlines()
    assert lines[0] == "full sweep 000001-20261123T120000Z: page 1, 500 records, 500/s"
    assert [int(re.search(r"page (\d+),", line)[1]) for line in lines] == [1, 11, 21, 31]  # type: ignore[index]
    assert lines[-1].endswith("page 31, 15,500 records, 500/s")
    assert SECONDS_BETWEEN_LINES == 10


def test_no_lines_without_pages() -> None:
    display = console()
    with PlainProgress(display):
        pass
    assert text_of(display) == ""


def test_a_resumed_sweep() -> None:
    display = console()
    with PlainProgress(display) as progress:
        progress.resumed(sweep())
    assert text_of(display) == "full sweep 000001-20261123T120000Z: resumed after page 7\n"


def bar_text(mode: Mode, expected_pages: int | None, pages: int) -> str:
    display = console(terminal=True)
    with BarProgress(display, expected_pages=expected_pages) as progress:
        for number in range(1, pages + 1):
            progress.page(sweep(mode), page(number))
    # The last frame, without colours.
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text_of(display)).rsplit("\r", 2)[-2]


def test_the_bar_expects_the_pages_of_the_last_full_sweep() -> None:
    text = bar_text("full", 300, 3)
    assert "full sweep" in text
    assert "3/300 pages" in text
    assert "1,500 records" in text


def test_the_bar_grows_with_more_pages_than_expected() -> None:
    assert "5/5 pages" in bar_text("full", 3, 5)


def test_the_first_sweep_has_no_expected_pages() -> None:
    assert "2/? pages" in bar_text("full", None, 2)


def test_an_incremental_sweep_has_no_expected_pages() -> None:
    assert "2/? pages" in bar_text("incremental", 300, 2)


@pytest.mark.parametrize(("terminal", "kind"), [(True, BarProgress), (False, PlainProgress)], ids=["terminal", "file"])
def test_the_kind_of_progress(terminal: bool, kind: type) -> None:
    assert isinstance(progress_for(console(terminal=terminal)), kind)


def test_log_records_have_the_sweep_and_the_page(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), LogProgress(logging.getLogger("test")) as progress:
        progress.resumed(sweep())
        progress.page(sweep(), page(8))
    assert caplog.messages == ["resumed after page 7", "full sweep: 500 records landed"]
    resumed, landed = (vars(record) for record in caplog.records)
    assert resumed["sweep_id"] == landed["sweep_id"] == "000001-20261123T120000Z"
    assert landed["page"] == 8
