"""A deterministic stand-in for the live corpus: any number of rows in the census's shares and shapes. Pure.

The first rows are the fixed surprises, so that the smallest corpus shows each; the others are drawn by the
census's weights. The same seed and clock give the same rows, whatever ran before.
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
    """So many milestones as the API would send them. `now` (with a time zone) parts the past from the future."""
    factory = RowFactory(seed, now)
    # From a factory of their own: the other rows do not depend on how many there are.
    others = contradictions(RowFactory(f"{seed} contradictions", now))
    return itertools.islice(itertools.chain(surprises(factory), others, factory.ordinary()), rows)


def generate_bodies(rows: int, seed: int, now: datetime) -> Iterator[bytes]:
    """The same rows as JSON, each encoded as soon as it is made."""
    return map(msgspec.json.Encoder().encode, generate(rows, seed, now))
