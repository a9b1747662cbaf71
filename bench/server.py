"""The sandbox in its own process, with data that change on command: `python -m bench.server ROWS [LATENCY RATE]`.

The first line of output is its base URL. Then each number N on a line of standard input changes the titles of N
milestones that start about now, where the API has most updates; the number is written back. Ends with standard input.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import msgspec

from sandbox.app import build_app
from sandbox.generate import generate_bodies
from sandbox.query import Query
from sandbox.server import running
from sandbox.world import World

SEED = 1


def main(rows: int, latency_seconds: float = 0, requests_per_second: float | None = None) -> None:
    """Serve until standard input ends."""

    def now() -> datetime:
        return datetime.now(UTC)

    world = World(generate_bodies(rows, SEED, now()), now=now)
    app = build_app(world, latency_seconds=latency_seconds, requests_per_second=requests_per_second)
    with running(app) as server:
        print(server.base_url, flush=True)
        for line in sys.stdin:
            print(change(world, int(line)), flush=True)


def change(world: World, count: int) -> int:
    """Change the titles of milestones that start next, and of recent ones if there are too few; returns how many."""
    back = timedelta()
    while len(found := _starting(world, world.now() - back, count)) < count <= len(world):
        back = 2 * back or timedelta(hours=1)
    for body in found:
        milestone = msgspec.json.decode(body)
        world.edit_title(milestone["id"], f"{milestone['title']}, {world.revision}")
    return len(found)


def _starting(world: World, earliest: datetime, count: int) -> list[bytes]:
    return world.page(Query(limit=count, minimum_start=int(earliest.timestamp()))).bodies


if __name__ == "__main__":
    main(int(sys.argv[1]), *(float(text) for text in sys.argv[2:]))
