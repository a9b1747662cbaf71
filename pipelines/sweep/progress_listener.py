"""Progress listeners: the interface between fetching a sweep and whatever displays or uses its progress."""

from __future__ import annotations

from typing import Protocol

from pipelines.storage.landing import Page, Sweep


class ProgressListener(Protocol):
    """Receives the progress of a fetch."""

    def resumed(self, sweep: Sweep) -> None:
        """Called when an interrupted sweep is resumed after its landed pages."""

    def page(self, sweep: Sweep, page: Page) -> None:
        """Called when a page of a sweep is on disk."""


class NullProgress:
    """A listener that does nothing."""

    def resumed(self, sweep: Sweep) -> None:
        """Do nothing."""

    def page(self, sweep: Sweep, page: Page) -> None:
        """Do nothing."""


class ProgressGroup:
    """A listener that calls several others, in order."""

    def __init__(self, *listeners: ProgressListener) -> None:
        self._listeners = listeners

    def resumed(self, sweep: Sweep) -> None:
        """Call all."""
        for listener in self._listeners:
            listener.resumed(sweep)

    def page(self, sweep: Sweep, page: Page) -> None:
        """Call all."""
        for listener in self._listeners:
            listener.page(sweep, page)
