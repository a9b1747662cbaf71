"""A day in the life of the live API: a deterministic mix of changes, with an exact record of each."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import msgspec

from sandbox.details import STATUSES
from sandbox.draw import Draw
from sandbox.factory import HOUR, RowFactory
from sandbox.world import Change, World


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many milestones each kind of change is to hit; no milestone is hit twice."""

    inserts: int = 0
    reschedules: int = 0
    title_edits: int = 0
    tickers_added: int = 0
    tickers_removed: int = 0
    status_changes: int = 0
    removals: int = 0
    touches: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Evolution:
    """What was done, in order."""

    changes: tuple[Change, ...]

    def ids(self, *kinds: str) -> set[str]:
        """The milestones hit by these kinds of change (all kinds when none is named)."""
        return {change.milestone_id for change in self.changes if not kinds or change.kind in kinds}

    def counts(self) -> dict[str, int]:
        """Changes by kind."""
        return dict(collections.Counter(change.kind for change in self.changes))


class Seasons:
    """Changes a world before every crawl of it but the first, and tells what it did."""

    def __init__(self, world: World, seed: int, counts: Counts, tell: Callable[[Evolution], object]) -> None:
        self._world = world
        self._seed = seed
        self._counts = counts
        self._tell = tell
        self._crawls = 0

    def crawl_begins(self) -> None:
        """Change the world, unless nobody has seen it yet."""
        if self._crawls:
            self._tell(evolve(self._world, self._seed + self._crawls, self._counts))
        self._crawls += 1


class WorldTooSmallError(ValueError):
    """Fewer milestones can change in the way asked for than were asked for."""


class _Target(msgspec.Struct):
    """What a change needs to know of the milestone it hits."""

    id: str
    start_date: datetime
    title: str
    related_event_tickers: list[str] | None = None
    details: dict[str, Any] = {}

    @property
    def tickers(self) -> list[str]:
        return self.related_event_tickers or []


def evolve(world: World, seed: int, counts: Counts) -> Evolution:
    """Apply the changes; the same world, seed and counts change the same.

    Raises WorldTooSmallError, before anything has changed, when too few milestones suit.
    """
    # The revision tells two evolutions of one world apart, so that one seed does not insert the same ids twice.
    draw = Draw(f"evolve {seed} {world.revision}")
    targets = _Targets(world, draw)
    changer = _Changer(world, draw)
    steps = [
        (changer.reschedule, targets.take(counts.reschedules)),
        (changer.edit_title, targets.take(counts.title_edits)),
        (changer.add_ticker, targets.take(counts.tickers_added)),
        (changer.remove_ticker, targets.take(counts.tickers_removed, lambda one: len(one.tickers) > 1)),
        (changer.change_status, targets.take(counts.status_changes, lambda one: "status" in one.details)),
        (changer.remove, targets.take(counts.removals)),
    ]
    touched = targets.take(counts.touches)
    changes = [apply(one) for apply, chosen in steps for one in chosen]
    changes += world.touch(one.id for one in touched)
    changes += changer.insert(counts.inserts)
    return Evolution(tuple(changes))


class _Targets:
    """Hands out milestones of the world, each once."""

    def __init__(self, world: World, draw: Draw) -> None:
        self._world = world
        self._free = world.ids()
        draw.random.shuffle(self._free)

    def take(self, count: int, suits: Callable[[_Target], bool] = lambda _: True) -> list[_Target]:
        chosen: list[_Target] = []
        passed: list[str] = []
        while len(chosen) < count:
            if not self._free:
                raise WorldTooSmallError(f"only {len(chosen)} milestones can change so, not {count}")
            target = _target_decoder.decode(self._world.get(self._free.pop()))
            if suits(target):
                chosen.append(target)
            else:
                passed.append(target.id)
        self._free.extend(passed)
        return chosen


class _Changer:
    """Words the change for each milestone."""

    def __init__(self, world: World, draw: Draw) -> None:
        self._world = world
        self._draw = draw

    def insert(self, count: int) -> Iterator[Change]:
        """New milestones start in the days to come."""
        now = self._world.now()
        factory = RowFactory(f"insert {self._draw.uuid()}", now)
        for type_name, category in itertools.islice(factory.cells(), count):
            start = (factory.now_seconds // HOUR + self._draw.between(1, 200)) * HOUR
            yield self._world.insert(factory.row(type_name, category, start))

    def reschedule(self, target: _Target) -> Change:
        hours = self._draw.between(1, 72) * self._draw.pick((-1, 1))
        return self._world.reschedule(target.id, target.start_date + timedelta(hours=hours))

    def edit_title(self, target: _Target) -> Change:
        return self._world.edit_title(target.id, f"{target.title} ({self._draw.pick(('new', 'moved', 'final'))})")

    def add_ticker(self, target: _Target) -> Change:
        ticker = f"KXADDED-{self._draw.below(10**9)}"
        return self._world.add_ticker(target.id, ticker, primary=self._draw.chance(0.5))

    def remove_ticker(self, target: _Target) -> Change:
        return self._world.remove_ticker(target.id, target.tickers[-1])

    def change_status(self, target: _Target) -> Change:
        others = [status for status in STATUSES if status != target.details["status"]]
        return self._world.set_details(target.id, {"status": self._draw.pick(others)})

    def remove(self, target: _Target) -> Change:
        return self._world.remove(target.id)


_target_decoder = msgspec.json.Decoder(_Target)
