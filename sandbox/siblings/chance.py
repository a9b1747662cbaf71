"""Values that depend on a name alone: the same name always gives the same value, so that none must be stored. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

UNKNOWN_SHARE = 0.01
"""Share of the targets and events that milestones name and that the sibling endpoints do not know."""

_RANGE = 1 << 64


def number_of(name: str, use: str) -> int:
    """A whole number from 0 to 2**64 - 1; `use` keeps the values of one name independent of each other."""
    return int.from_bytes(hashlib.blake2b(f"{use}\0{name}".encode(), digest_size=8).digest(), "big")


def happens(name: str, use: str, share: float) -> bool:
    """True for this share of all names."""
    return number_of(name, use) < share * _RANGE


def pick_of(name: str, use: str, choices: Sequence[T]) -> T:
    """One of the choices."""
    return choices[number_of(name, use) % len(choices)]


def uuid_of(name: str, use: str) -> str:
    """A lower-case UUID of version 4."""
    text = f"{number_of(name, use):016x}{number_of(name, f'{use} 2'):016x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def is_unknown(name: str) -> bool:
    """Whether the sibling endpoints leave this target or event out."""
    return happens(name, "unknown", UNKNOWN_SHARE)
