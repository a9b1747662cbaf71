"""Renames targets and retitles events as the live API does now and then; deterministic by world and draw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from sandbox.draw import Draw
from sandbox.siblings.index import Naming, naming_of
from sandbox.siblings.store import SiblingChange, UnknownNameError
from sandbox.world import World

ENDINGS = ("FC", "United", "II")
"""What a renamed target's name ends with."""
TITLE_ENDINGS = ("(postponed)", "(new venue)", "(first half)")


class _Target(msgspec.Struct):
    name: str = ""


class _Event(msgspec.Struct):
    title: str = ""


def choose_targets(world: World, draw: Draw, count: int) -> list[str]:
    """The ids of targets that milestones name, upcoming ones first; fewer than `count` if there are not as many."""
    return _choose(world, draw, count, lambda one: [name for name, _ in one.targets()], world.siblings.targets.get)


def choose_events(world: World, draw: Draw, count: int) -> list[str]:
    """The tickers of events that milestones name, upcoming ones first; fewer than `count` if there are not as many."""
    return _choose(world, draw, count, lambda one: one.tickers, world.siblings.events.get)


def rename_targets(world: World, draw: Draw, target_ids: Iterable[str]) -> Iterator[SiblingChange]:
    """Give each target another ending of its name."""
    for target_id in target_ids:
        name = _target_decoder.decode(world.siblings.targets.get(target_id)).name
        yield world.rename_target(target_id, _with_other_ending(draw, name, ENDINGS))


def retitle_events(world: World, draw: Draw, tickers: Iterable[str]) -> Iterator[SiblingChange]:
    """Give each event another ending of its title."""
    for ticker in tickers:
        title = _event_decoder.decode(world.siblings.events.get(ticker)).title
        yield world.retitle_event(ticker, _with_other_ending(draw, title, TITLE_ENDINGS))


def _choose(
    world: World,
    draw: Draw,
    count: int,
    names_of: Callable[[Naming], list[str]],
    get: Callable[[str], bytes],
) -> list[str]:
    if not count:
        return []
    upcoming = world.ids(world.now())
    past = world.ids()[: -len(upcoming) or None]
    chosen: dict[str, None] = {}
    for pool in (upcoming, past):
        draw.random.shuffle(pool)
        for milestone_id in pool:
            naming = naming_of(world.get(milestone_id))
            # One name of each milestone: a tournament would give a hundred.
            names = (
                [] if naming is None else [one for one in names_of(naming) if one not in chosen and _is_in(get, one)]
            )
            if names:
                chosen[draw.pick(names)] = None
            if len(chosen) == count:
                return list(chosen)
    return list(chosen)


def _is_in(get: Callable[[str], bytes], name: str) -> bool:
    try:
        get(name)
    except UnknownNameError:
        return False
    return True


def _with_other_ending(draw: Draw, text: str, endings: tuple[str, ...]) -> str:
    plain = next((text.removesuffix(f" {one}") for one in endings if text.endswith(f" {one}")), text)
    return f"{plain} {draw.pick([one for one in endings if f'{plain} {one}' != text])}".strip()


_target_decoder = msgspec.json.Decoder(_Target)
_event_decoder = msgspec.json.Decoder(_Event)
