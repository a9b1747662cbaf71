"""Progress listeners: what they are called with while a sweep is fetched."""

from __future__ import annotations

from typing import Protocol

from pipelines.storage.landing import Page, Sweep


class ProgressListener(Protocol):
    """Is called as a sweep is fetched."""

    def resumed(self, sweep: Sweep) -> None:
        """An interrupted sweep is resumed after its landed pages."""

    def page(self, sweep: Sweep, page: Page) -> None:
        """A page of a sweep is on disk."""


class NullProgress:
    """Does nothing."""

    def resumed(self, sweep: Sweep) -> None:
        """Do nothing."""

    def page(self, sweep: Sweep, page: Page) -> None:
        """Do nothing."""


class ProgressGroup:
    """Calls several listeners."""

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
