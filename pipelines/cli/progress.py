"""Progress of a sweep on stderr: a bar on a terminal, plain lines elsewhere, log records for unattended runs."""

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
    """A log record for every page, with sweep_id and page."""

    def __init__(self, logger: logging.Logger | None = None) -> None:
        self._logger = logger or logging.getLogger(__name__)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def resumed(self, sweep: Sweep) -> None:
        """An interrupted sweep resumes after its last landed page."""
        self._logger.info("resumed after page %d", sweep.pages, extra={"sweep_id": sweep.sweep_id})

    def page(self, sweep: Sweep, page: Page) -> None:
        """A page has landed."""
        context = {"sweep_id": sweep.sweep_id, "page": page.number}
        self._logger.info("%s sweep: %d records landed", sweep.mode, page.records, extra=context)


class PlainProgress:
    """A line for the first page, then at most one every ten seconds."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._started_at = clock()
        self._printed_at: float | None = None
        self._records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def resumed(self, sweep: Sweep) -> None:
        """An interrupted sweep resumes after its last landed page."""
        self._console.print(f"{sweep.mode} sweep {sweep.sweep_id}: resumed after page {sweep.pages}", highlight=False)

    def page(self, sweep: Sweep, page: Page) -> None:
        """A page has landed."""
        self._records += page.records
        now = self._clock()
        if self._printed_at is not None and now - self._printed_at < SECONDS_BETWEEN_LINES:
            return
        self._printed_at = now
        rate, records = self._records / max(now - self._started_at, 0.001), counted(self._records, "record")
        self._console.print(
            f"{sweep.mode} sweep {sweep.sweep_id}: page {page.number}, {records}, {rate:,.0f}/s",
            highlight=False,
        )


class BarProgress:
    """A bar with pages, records, rate and time left. The expected number of pages is that of the last full sweep."""

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
        self._started_at = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def resumed(self, sweep: Sweep) -> None:
        """An interrupted sweep resumes after its last landed page."""
        self._progress.console.print(f"resuming sweep {sweep.sweep_id} after page {sweep.pages}", highlight=False)

    def page(self, sweep: Sweep, page: Page) -> None:
        """A page has landed."""
        self._records += page.records
        rate = self._records / max(time.monotonic() - self._started_at, 0.001)
        is_known = self._expected is not None and sweep.mode == "full"
        # Set on the task, as `update(total=None)` keeps the old total. The length of an incremental sweep is unknown.
        self._progress.tasks[self._task].total = max(self._expected or 0, page.number) if is_known else None
        self._progress.update(
            self._task,
            description=f"{sweep.mode} sweep",
            completed=page.number,
            records=self._records,
            rate=rate,
        )


def progress_for(console: Console, *, expected_pages: int | None = None) -> PlainProgress | BarProgress:
    """A bar for a terminal, plain lines otherwise."""
    return BarProgress(console, expected_pages=expected_pages) if console.is_terminal else PlainProgress(console)
