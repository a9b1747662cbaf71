from __future__ import annotations

import uuid

import pytest

from sandbox.siblings.chance import UNKNOWN_SHARE, happens, is_unknown, number_of, pick_of, uuid_of

NAMES = [f"name {number}" for number in range(20_000)]


def test_a_value_depends_on_the_name_and_its_use_alone() -> None:
    assert number_of("a", "x") == number_of("a", "x") == 18_404_981_483_918_465_195
    assert len({number_of("a", "x"), number_of("a", "y"), number_of("b", "x"), number_of("xa", "")}) == 4


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_a_share_of_names(share: float) -> None:
    found = {name for name in NAMES if happens(name, "x", share)}
    assert len(found) / len(NAMES) == pytest.approx(share, abs=0.01)
    assert all(name in found for name in NAMES if happens(name, "x", share / 2))


def test_shares_of_two_uses_are_independent() -> None:
    both = [name for name in NAMES if happens(name, "x", 0.5) and happens(name, "y", 0.5)]
    assert len(both) / len(NAMES) == pytest.approx(0.25, abs=0.02)


def test_every_choice_is_picked() -> None:
    assert {pick_of(name, "x", "abc") for name in NAMES[:50]} == set("abc")


def test_a_uuid_is_one_of_version_4() -> None:
    ids = {uuid_of(name, "x") for name in NAMES[:100]}
    assert len(ids) == 100
    assert all(str(uuid.UUID(one)) == one and uuid.UUID(one).version == 4 for one in ids)


def test_few_names_are_unknown() -> None:
    assert sum(map(is_unknown, NAMES)) / len(NAMES) == pytest.approx(UNKNOWN_SHARE, abs=0.003)
