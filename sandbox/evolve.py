"""Changes a world as the live API's changes in a day: a deterministic mix, with an exact record of each change."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from sandbox.details import FUTURE_STATUSES, LIVE_STATUSES, OVER_STATUSES
from sandbox.draw import Draw
from sandbox.evolve_siblings import choose_events, choose_targets, rename_targets, retitle_events
from sandbox.factory import HOUR, LIVE_SECONDS, RowFactory
from sandbox.siblings.store import SiblingChange
from sandbox.world import Change, World


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """The number of milestones, targets or events for each kind of change; none is changed twice."""

    inserts: int = 0
    reschedules: int = 0
    title_edits: int = 0
    tickers_added: int = 0
    tickers_removed: int = 0
    status_changes: int = 0
    removals: int = 0
    touches: int = 0
    target_renames: int = 0
    event_retitles: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Evolution:
    """The changes made to milestones and to their targets and events, in order."""

    changes: tuple[Change, ...]
    siblings: tuple[SiblingChange, ...] = ()

    def ids(self, *kinds: str) -> set[str]:
        """The ids of the milestones with these kinds of change (default: all kinds)."""
        return {change.milestone_id for change in self.changes if not kinds or change.kind in kinds}

    def counts(self) -> dict[str, int]:
        """Changes by kind."""
        kinds = [change.kind for change in self.changes] + [change.kind for change in self.siblings]
        return dict(collections.Counter(kinds))


class Seasons:
    """Changes a world before every scan but the first, and calls `tell` with the changes."""

    def __init__(self, world: World, seed: int, counts: Counts, tell: Callable[[Evolution], object]) -> None:
        self._world = world
        self._seed = seed
        self._counts = counts
        self._tell = tell
        self._crawls = 0

    def crawl_begins(self) -> None:
        """Change the world, except before the first scan."""
        if self._crawls:
            self._tell(evolve(self._world, self._seed + self._crawls, self._counts))
        self._crawls += 1


SOON = timedelta(days=14)
"""Most changes affect milestones that start within this time."""

ADDED_LINES = ("LIVE", "EXTRA", "MENTION")
"""Parts of the tickers of events that are added to a milestone."""

TITLE_NOTES = ("new date", "new venue", "confirmed")


class WorldTooSmallError(ValueError):
    """Too few milestones, targets or events can change in a requested way."""


class _Target(msgspec.Struct):
    """The fields of a milestone that a change depends on."""

    id: str
    start_date: datetime
    title: str | None
    end_date: str | None = None
    related_event_tickers: list[str] | None = None
    details: dict[str, Any] = {}

    @property
    def tickers(self) -> list[str]:
        return self.related_event_tickers or []


def evolve(world: World, seed: int, counts: Counts) -> Evolution:
    """Apply the changes; deterministic by world, seed and counts.

    Raises WorldTooSmallError before any change if too few milestones, targets or events are suitable.
    """
    # The revision is part of the seed, so that a second evolution with one seed does not insert the same ids.
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
    # A draw of their own: the changes of milestones do not depend on these.
    other_draw = Draw(f"evolve siblings {seed} {world.revision}")
    renamed = choose_targets(world, other_draw, counts.target_renames)
    retitled = choose_events(world, other_draw, counts.event_retitles)
    for found, count, what in (
        (renamed, counts.target_renames, "targets"),
        (retitled, counts.event_retitles, "events"),
    ):
        if len(found) < count:
            raise WorldTooSmallError(f"only {len(found)} {what} can change, not {count}")
    siblings = [*rename_targets(world, other_draw, renamed), *retitle_events(world, other_draw, retitled)]
    changes = [apply(one) for apply, chosen in steps for one in chosen]
    changes += world.touch(one.id for one in touched)
    changes += changer.insert(counts.inserts)
    return Evolution(tuple(changes), tuple(siblings))


def play(world: World, since: datetime, seed: int) -> int:
    """Update the milestones that started since a time: live, or over with an end. Returns how many started.

    One in eight keeps its status: statuses go stale.
    """
    now, draw = world.now(), Draw(f"play {seed} {world.revision}")
    upcoming = set(world.ids(now))
    started = [one for one in world.ids(since) if one not in upcoming]
    for milestone_id in started:
        target = _target_decoder.decode(world.get(milestone_id))
        is_over = now - target.start_date > timedelta(seconds=LIVE_SECONDS)
        if "status" in target.details and not draw.chance(1 / 8):
            world.set_details(milestone_id, {"status": draw.pick(OVER_STATUSES) if is_over else "live"})
        if is_over and target.end_date is None:
            world.set_end(milestone_id, target.start_date + timedelta(seconds=draw.between(HOUR, LIVE_SECONDS)))
    return len(started)


class _Targets:
    """Selects milestones of the world, each once: first those that start soon, then later ones, then past ones."""

    def __init__(self, world: World, draw: Draw) -> None:
        self._world = world
        everything, upcoming, later = world.ids(), world.ids(world.now()), world.ids(world.now() + SOON)
        past, soon = everything[: -len(upcoming) or None], upcoming[: -len(later) or None]
        for pool in (past, later, soon):
            draw.random.shuffle(pool)
        self._free = past + later + soon

    def take(self, count: int, suits: Callable[[_Target], bool] = lambda _: True) -> list[_Target]:
        chosen: list[_Target] = []
        passed: list[str] = []
        while len(chosen) < count:
            if not self._free:
                raise WorldTooSmallError(f"only {len(chosen)} milestones can change in this way, not {count}")
            target = _target_decoder.decode(self._world.get(self._free.pop()))
            if suits(target):
                chosen.append(target)
            else:
                passed.append(target.id)
        self._free.extend(reversed(passed))
        return chosen


class _Changer:
    """Makes one kind of change to one milestone per method."""

    def __init__(self, world: World, draw: Draw) -> None:
        self._world = world
        self._draw = draw

    def insert(self, count: int) -> Iterator[Change]:
        """Insert milestones that start in the next days."""
        now = self._world.now()
        factory = RowFactory(f"insert {self._draw.uuid()}", now)
        for type_name, category in itertools.islice(factory.cells(), count):
            start = (factory.now_seconds // HOUR + self._draw.between(1, 200)) * HOUR
            yield self._world.insert(factory.row(type_name, category, start))

    def reschedule(self, target: _Target) -> Change:
        """Move the start by hours or days; an upcoming milestone stays upcoming."""
        shift = timedelta(hours=self._draw.between(1, 72)) * self._draw.pick((-1, 1))
        now = self._world.now()
        if target.start_date > now >= target.start_date + shift:
            shift = -shift
        return self._world.reschedule(target.id, target.start_date + shift)

    def edit_title(self, target: _Target) -> Change:
        plain = (target.title or "").partition(" (")[0]
        notes = [note for note in TITLE_NOTES if f"{plain} ({note})" != target.title]
        return self._world.edit_title(target.id, f"{plain} ({self._draw.pick(notes)})")

    def add_ticker(self, target: _Target) -> Change:
        """Add an event of the same game as the milestone's first event."""
        series, hyphen, rest = (target.tickers or ["KXEXTRA-26"])[0].partition("-")
        tickers = (
            f"{series}{line}{hyphen}{rest}" for line in itertools.chain(ADDED_LINES, map(str, itertools.count(2)))
        )
        ticker = next(one for one in tickers if one not in target.tickers)
        return self._world.add_ticker(target.id, ticker, primary=self._draw.chance(0.5))

    def remove_ticker(self, target: _Target) -> Change:
        return self._world.remove_ticker(target.id, target.tickers[-1])

    def change_status(self, target: _Target) -> Change:
        """Change the status to another one that fits the time."""
        since_start = self._world.now() - target.start_date
        statuses: Sequence[str] = OVER_STATUSES
        if since_start < timedelta():
            statuses = FUTURE_STATUSES
        elif since_start <= timedelta(seconds=LIVE_SECONDS):
            statuses = LIVE_STATUSES
        others = [status for status in statuses if status != target.details["status"]]
        return self._world.set_details(target.id, {"status": self._draw.pick(others)})

    def remove(self, target: _Target) -> Change:
        return self._world.remove(target.id)


_target_decoder = msgspec.json.Decoder(_Target)
