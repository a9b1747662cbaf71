"""A published home with the application over it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette

from pipelines.serving.app import build_app
from tests.serving.client import Client, client_of
from tests.support import NOON, Shell, milestone, milestone_id, serving_shells

HOSTILE_TICKER = "KX/A?b#c%2F\u202e'--"


@pytest.fixture(scope="package")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A published home with a history: tests do not change it.

    1 was renamed, 2 was rescheduled, 3 is live, 4 is simulated, 5 has an odd ticker, 6 vanished.
    """
    rows = [milestone(number) for number in range(1, 31)]
    rows[2] |= {"start_date": "2026-11-23T11:00:00Z", "end_date": "2026-11-23T15:00:00Z"}
    rows[3]["details"]["session_id"] = "simulated"
    rows[4]["related_event_tickers"] = [HOSTILE_TICKER]
    rows[6] |= {"category": "Politics", "type": "election", "details": {"league": "Senate"}}
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("served"), rows)
        shell.sweep(mode="full")
        shell.clock.forward(hours=1)
        shell.world.edit_title(milestone_id(1), "\x1b[31m\u202eRenamed")
        shell.world.reschedule(milestone_id(2), NOON.replace(month=12, day=5))
        shell.world.remove(milestone_id(6))
        for _ in range(2):
            shell.sweep(mode="full", allow_shrink=True)
            shell.clock.forward(minutes=1)
        shell.stages.publish()
        yield shell


@pytest.fixture(scope="module")
def app(published: Shell) -> Starlette:
    return build_app(published.home, now=published.clock)


@pytest.fixture(scope="module")
def get(app: Starlette) -> Iterator[Client]:
    with client_of(app) as client:
        yield client
