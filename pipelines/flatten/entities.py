"""The participants of a milestone: structured-target ids in `details`, by one rule that covers new types.

Every top-level key that ends in `_id` or `_ids` and holds UUIDs names entities. The role is the key without that
ending and, if several words remain, without the last one: home_team_id gives home, competitor_ids gives competitor.
Where two keys of a milestone would give the same role, both keep all their words; where even those are equal
(competitor_id and competitor_ids), both keep the whole key.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any, NamedTuple

_ENTITY_KEY = re.compile(r"(?!session_)(\w+?)_ids?", re.ASCII)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


class Entity(NamedTuple):
    """A structured target and its role; `position` counts from 0 in the array under `key`."""

    role: str
    position: int
    entity_id: str
    key: str


def entities(details: dict[str, Any]) -> list[Entity]:
    """Every entity of a milestone, in the order of the keys."""
    found = []
    for key in _entity_keys(tuple(details)):
        value = details[key]
        for position, entity_id in enumerate(value if isinstance(value, list) else (value,)):
            if isinstance(entity_id, str) and _UUID.fullmatch(entity_id):
                found.append((key, position, entity_id))
    if not found:
        return []
    roles = _roles(tuple(dict.fromkeys([key for key, _, _ in found])))
    return [Entity(roles[key], position, entity_id, key) for key, position, entity_id in found]


# Milestone types have few sets of keys; the bound limits the memory that hostile keys could take.
@lru_cache(maxsize=1_024)
def _entity_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The keys that name entities."""
    return tuple(key for key in keys if _stem(key) is not None)


@lru_cache(maxsize=4_096)
def _roles(keys: tuple[str, ...]) -> dict[str, str]:
    """The role of each key; no two keys share one. Types have few sets of keys."""
    stems = {key: stem for key in keys if (stem := _stem(key)) is not None}
    with_stem = Counter(stems.values())
    claims = Counter(name for stem in stems.values() for name in {_role(stem), stem})

    def role(key: str, stem: str) -> str:
        if claims[_role(stem)] == 1 and _role(stem) not in stems:
            return _role(stem)
        return stem if with_stem[stem] == 1 and stem not in stems else key

    return {key: role(key, stem) for key, stem in stems.items()}


@lru_cache(maxsize=4_096)
def _stem(key: str) -> str | None:
    """The key without its ending; None for a key that names no entity."""
    match = _ENTITY_KEY.fullmatch(key)
    return match[1] if match else None


def _role(stem: str) -> str:
    return stem.rpartition("_")[0] or stem
