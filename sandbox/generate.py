"""Generates any number of milestones, deterministically, with the proportions and shapes of the live ones. Pure.

The first rows are the fixed surprises, so that even a small set has each of them; the others follow the census. The
same seed and clock always give the same rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import datetime

import msgspec

from sandbox.factory import RowFactory
from sandbox.surprises import contradictions, surprises
from schemas.api import JsonObject


def generate(rows: int, seed: int, now: datetime) -> Iterator[JsonObject]:
    """`rows` milestones as the API would send them. `now` (with a time zone) divides the past from the future."""
    factory = RowFactory(seed, now)
    # They have a factory of their own, so that their number does not change the other rows.
    others = contradictions(RowFactory(f"{seed} contradictions", now))
    return itertools.islice(itertools.chain(surprises(factory), others, factory.ordinary()), rows)


def generate_bodies(rows: int, seed: int, now: datetime) -> Iterator[bytes]:
    """The same rows as JSON, encoded one by one."""
    return map(msgspec.json.Encoder().encode, generate(rows, seed, now))
