"""A process that publishes for the dashboard's tests and benchmark, which have no pipeline in their environment.

`python -m tests.publisher HOME` reads one JSON command per line from stdin and writes one JSON line per command:

    {"do": "past", "rows": 5000, "sweeps": 10, "days": 9, "changes": 20}   generated milestones, swept over some days
    {"do": "milestones", "rows": [{"id": ..., "title": ...}, ...]}         new or changed milestones, then publishes
    {"do": "records", "endpoint": "targets", "rows": [...], "unknown": []} records of another endpoint, and keys that it
                                                                           does not know; then publishes
    {"do": "publish", "times": 200}                                        publishes again; seconds of each publish
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from pipelines.endpoints.plan import ListPlan, Plan
from pipelines.endpoints.refresh import EndpointRefresh
from sandbox.app import API_ROOT, build_app
from sandbox.evolve import Counts, evolve
from sandbox.generate import generate_bodies
from sandbox.world import World
from schemas.endpoints import ENDPOINTS
from tests.support import Shell, milestone, serving_shells

SEED = 7
SECONDS_PER_PAGE = 0.8
"""How far the simulated clock advances for each page of a sweep."""
POLLS_A_DAY = 2
"""Incremental sweeps between two full ones."""
REFUSED, NEW_FIELD = 900_000, 910_000
"""First numbers of milestones that are refused, or have a new field."""


@dataclass
class Publisher:
    """A shell whose clock ends at the current time, so that "now" is the same for the data and its readers."""

    shell: Shell
    serve: Callable[[ASGIApp], None]

    def past(self, *, rows: int, sweeps: int, days: float, changes: int) -> dict[str, Any]:
        """Sweep changing milestones several times, the last time now."""
        now = datetime.now(UTC)
        clock = self.shell.clock
        clock.time = now - timedelta(days=days, minutes=5)
        # Generated for the current time, so that some milestones are live and some upcoming.
        world = World(generate_bodies(rows, SEED, now), now=clock)
        self.shell.world = world
        self.serve(build_app(world))
        for number in range(sweeps):
            if number:
                clock.forward(days=days / (sweeps - 1))
                evolve(world, SEED + number, Counts(**dict.fromkeys(Counts.__slots__, changes)))
                self._add_anomalies(number)
            landing = self.shell.land(mode="full" if number % (POLLS_A_DAY + 1) == 0 else "auto")
            clock.forward(seconds=landing.sweep.pages * SECONDS_PER_PAGE)
            self.shell.stage()
            self.shell.stages.load()
        return self._published()

    def _add_anomalies(self, number: int) -> None:
        """Add a record that will be refused, and one with a new field in its details."""
        refused: dict[str, Any] = {"title": None} if number % 2 else {"end_date": "tomorrow"}
        self.shell.world.insert(milestone(REFUSED + number, **refused))
        self.shell.world.insert(milestone(NEW_FIELD + number, details={f"broadcast_{number}": "live", "league": "NFL"}))

    def milestones(self, *, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Add or replace milestones, sweep and publish."""
        self.shell.clock.time = datetime.now(UTC)
        for number, fields in enumerate(rows, start=1):
            row = milestone(number) | fields
            if row["id"] in self.shell.world:
                self.shell.world.remove(row["id"])
            self.shell.world.insert(row)
        self.shell.sweep(mode="full")
        return self._published()

    def records(self, *, endpoint: str, rows: list[dict[str, Any]], unknown: list[str]) -> dict[str, Any]:
        """Serve only these records of an endpoint while it is refreshed, which publishes."""
        self.shell.clock.time = datetime.now(UTC)
        (described,) = (one for one in ENDPOINTS if one.name == endpoint)
        body = {described.page_key: rows}
        self.serve(Starlette(routes=[Route(f"{API_ROOT}{described.path}", lambda _: JSONResponse(body))]))
        is_listed = described.by_keys is None
        keys = [] if is_listed else [*(row[described.key] for row in rows), *unknown]
        planned = Plan(keys, ListPlan(began_at=self.shell.clock()) if is_listed else None)
        with self.shell.client() as api:
            refreshed = EndpointRefresh(self.shell.home, described, now=self.shell.clock).run(api, planned)
        self.serve(build_app(self.shell.world))
        assert refreshed is not None
        ledger, _ = refreshed
        return {"records": ledger.records, "quarantined": ledger.quarantined}

    def publish(self, *, times: int) -> dict[str, Any]:
        """Publish the same warehouse several times."""
        seconds = []
        for _ in range(times):
            started = time.perf_counter()
            self.shell.stages.publish()
            seconds.append(time.perf_counter() - started)
        return {"seconds": seconds}

    def _published(self) -> dict[str, Any]:
        return {"rows": self.shell.stages.publish().rows}


def main() -> None:
    """Run commands until stdin ends."""
    with serving_shells() as shells:
        shell = shells(Path(sys.argv[1]))
        publisher = Publisher(shell, shells.serve)
        for line in sys.stdin:
            command = json.loads(line)
            result = getattr(publisher, command.pop("do"))(**command)
            sys.stdout.write(json.dumps(result) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
