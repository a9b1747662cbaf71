"""The bench of flipped bits, a few of each kind: none is carried into what is published."""

from __future__ import annotations

import pytest

from bench.flips import REUSED, Outcome, prepared

pytestmark = pytest.mark.slow


def test_no_flipped_bit_is_published() -> None:
    found = Outcome()
    with prepared(seed=3, rows=400) as bench:
        assert bench.old != bench.new
        for kind in REUSED:
            for _ in range(4):
                bench.flip_once(kind, found)
        for _ in range(4):
            bench.flip_published(found)
    assert (found.carried, found.crashed) == ([], [])
    assert found.ended.total() == 4 * len(REUSED) + 4
    assert found.ended["named"] == 4
