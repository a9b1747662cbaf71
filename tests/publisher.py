"""A process that publishes for the dashboard's tests and benchmark, which have no pipeline in their environment.

`python -m tests.publisher HOME` reads a JSON command a line from standard input and answers each with a JSON line:

    {"do": "past", "rows": 5000, "sweeps": 10, "days": 9, "changes": 20}   a made-up world, swept over some days
    {"do": "milestones", "rows": [{"id": ..., "title": ...}, ...]}         these, new or changed; swept, published
    {"do": "publish", "times": 200}                                        the warehouse again; seconds that each took
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

from sandbox.app import build_app
from sandbox.evolve import Counts, evolve
from sandbox.generate import generate_bodies
from sandbox.world import World
from tests.support import Shell, milestone, serving_shells

SEED = 7
SECONDS_A_PAGE = 0.8
"""What a sweep of the past took, as far as its clock knows."""
POLLS_A_DAY = 2
"""Incremental sweeps between two full ones."""
REFUSED, NEW_FIELD = 900_000, 910_000
"""Numbers of milestones that surprise."""


@dataclass
class Publisher:
    """A shell whose clock ends in the present, so that "now" means the same to the data and to who looks at it."""

    shell: Shell
    serve: Callable[[World], None]

    def past(self, *, rows: int, sweeps: int, days: float, changes: int) -> dict[str, Any]:
        """Sweep a changing world again and again, the last time just now."""
        now = datetime.now(UTC)
        clock = self.shell.clock
        clock.time = now - timedelta(days=days, minutes=5)
        # Made for the present, so that there is something live and something to come.
        world = World(generate_bodies(rows, SEED, now), now=clock)
        self.serve(world)
        for number in range(sweeps):
            if number:
                clock.forward(days=days / (sweeps - 1))
                evolve(world, SEED + number, Counts(**dict.fromkeys(Counts.__slots__, changes)))
                self._surprise(number)
            landing = self.shell.land(mode="full" if number % (POLLS_A_DAY + 1) == 0 else "auto")
            clock.forward(seconds=landing.sweep.pages * SECONDS_A_PAGE)
            self.shell.stage()
            self.shell.stages.load()
        return self._published()

    def _surprise(self, number: int) -> None:
        """A record that will be refused, and a field of details that there was not before."""
        refused: dict[str, Any] = {"title": None} if number % 2 else {"end_date": "tomorrow"}
        self.shell.world.insert(milestone(REFUSED + number, **refused))
        self.shell.world.insert(milestone(NEW_FIELD + number, details={f"broadcast_{number}": "live", "league": "NFL"}))

    def milestones(self, *, rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
        """Put milestones into the world, new ones or in place of those with the same id."""
        self.shell.clock.time = datetime.now(UTC)
        for number, fields in enumerate(rows, start=1):
            row = milestone(number) | fields
            if row["id"] in self.shell.world:
                self.shell.world.remove(row["id"])
            self.shell.world.insert(row)
        self.shell.sweep(mode="full")
        return self._published()

    def publish(self, *, times: int) -> dict[str, Any]:
        """Publish what there is again and again."""
        seconds = []
        for _ in range(times):
            begun = time.perf_counter()
            self.shell.stages.publish()
            seconds.append(time.perf_counter() - begun)
        return {"seconds": seconds}

    def _published(self) -> dict[str, Any]:
        return {"rows": self.shell.stages.publish().rows}


def main() -> None:
    """Answer commands until standard input ends."""
    with serving_shells() as shells:
        shell = shells(Path(sys.argv[1]))

        def serve(world: World) -> None:
            shell.world = world
            shells.serve(build_app(world))

        publisher = Publisher(shell, serve)
        for line in sys.stdin:
            command = json.loads(line)
            answer = getattr(publisher, command.pop("do"))(**command)
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
