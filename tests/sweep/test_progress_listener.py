"""Progress listeners: a group calls every listener in order."""

from __future__ import annotations

from pipelines.storage.landing import Filters, Page, Sweep
from pipelines.sweep.progress_listener import NullProgress, ProgressGroup
from tests.support import NOON

SWEEP = Sweep(sweep_id="000001-20261123T120000Z", mode="full", filters=Filters(), started_at=NOON)
PAGE = Page(3, "/milestones?limit=500", None, None, NOON, 0, b"{}")


class Recorder:
    """A listener that appends its calls to a shared list."""

    def __init__(self, name: str, calls: list[tuple[str, ...]]) -> None:
        self.name = name
        self.calls = calls

    def resumed(self, sweep: Sweep) -> None:
        self.calls.append((self.name, "resumed", sweep.sweep_id))

    def page(self, sweep: Sweep, page: Page) -> None:
        self.calls.append((self.name, "page", sweep.sweep_id, str(page.number)))


def test_a_group_calls_every_listener_in_order() -> None:
    calls: list[tuple[str, ...]] = []
    group = ProgressGroup(Recorder("a", calls), NullProgress(), Recorder("b", calls))
    group.resumed(SWEEP)
    group.page(SWEEP, PAGE)
    assert calls == [
        ("a", "resumed", SWEEP.sweep_id),
        ("b", "resumed", SWEEP.sweep_id),
        ("a", "page", SWEEP.sweep_id, "3"),
        ("b", "page", SWEEP.sweep_id, "3"),
    ]
