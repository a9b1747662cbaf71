"""How a sweep's progress is shown: a bar on a terminal, plain lines elsewhere. Always on standard error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from pipelines.storage.landing import Page, Sweep
from pipelines.wording import counted

SECONDS_BETWEEN_LINES = 10.0


class LogProgress:
    """A record in the log for every page, with sweep and page: for runs that nobody watches."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(__name__)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def resumed(self, sweep: Sweep) -> None:
        """An interrupted sweep is taken up after the pages that it landed."""
        self._logger.info("taken up after page %d", sweep.pages, extra={"sweep_id": sweep.sweep_id})

    def page(self, sweep: Sweep, page: Page) -> None:
        """A page of a sweep is on disk."""
        context = {"sweep_id": sweep.sweep_id, "page": page.number}
        self._logger.info("%s sweep: %d records landed", sweep.mode, page.records, extra=context)


class PlainProgress:
    """A line at the first page and then at most every ten seconds."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._begun_at = clock()
        self._spoke_at: float | None = None
        self._records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def resumed(self, sweep: Sweep) -> None:
        """An interrupted sweep is taken up after the pages that it landed."""
        self._console.print(f"{sweep.mode} sweep {sweep.sweep_id}: taken up after page {sweep.pages}", highlight=False)

    def page(self, sweep: Sweep, page: Page) -> None:
        """A page of a sweep is on disk."""
        self._records += page.records
        now = self._clock()
        if self._spoke_at is not None and now - self._spoke_at < SECONDS_BETWEEN_LINES:
            return
        self._spoke_at = now
        rate, records = self._records / max(now - self._begun_at, 0.001), counted(self._records, "record")
        self._console.print(
            f"{sweep.mode} sweep {sweep.sweep_id}: page {page.number}, {records}, {rate:,.0f}/s",
            highlight=False,
        )


class BarProgress:
    """A bar with pages, records, rate and time left; how many pages there will be is taken from the last full sweep."""

    def __init__(self, console: Console, *, expected_pages: int | None) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("pages  {task.fields[records]:,} records  {task.fields[rate]:,.0f}/s"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("fetching", total=expected_pages, records=0, rate=0.0)
        self._expected = expected_pages
        self._records = 0
        self._begun_at = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def resumed(self, sweep: Sweep) -> None:
        """An interrupted sweep is taken up after the pages that it landed."""
        self._progress.console.print(f"taking up sweep {sweep.sweep_id} after page {sweep.pages}", highlight=False)

    def page(self, sweep: Sweep, page: Page) -> None:
        """A page of a sweep is on disk."""
        self._records += page.records
        rate = self._records / max(time.monotonic() - self._begun_at, 0.001)
        is_known = self._expected is not None and sweep.mode == "full"
        # rich takes None for "as it was": how long an incremental sweep will be, nobody knows.
        self._progress.tasks[self._task].total = max(self._expected or 0, page.number) if is_known else None
        self._progress.update(
            self._task,
            description=f"{sweep.mode} sweep",
            completed=page.number,
            records=self._records,
            rate=rate,
        )


def progress_on(console: Console, *, expected_pages: int | None = None) -> PlainProgress | BarProgress:
    """The progress that fits the console."""
    return BarProgress(console, expected_pages=expected_pages) if console.is_terminal else PlainProgress(console)
