"""Seeded values: reproducible, in range, and in the shapes that milestones need."""

from __future__ import annotations

import uuid

import pytest

from sandbox.draw import CITIES, Draw, Entity


def test_the_same_seed_gives_the_same_values() -> None:
    def values(seed: int) -> list[object]:
        draw = Draw(seed)
        return [draw.uuid(), draw.below(10**9), draw.between(1, 10**9), draw.pick(CITIES), draw.chance(0.5)]

    assert values(1) == values(1)
    assert values(1) != values(2)


def test_numbers_cover_their_range_and_no_more() -> None:
    draw = Draw(1)
    assert {draw.below(3) for _ in range(200)} == {0, 1, 2}
    assert {draw.between(-1, 1) for _ in range(200)} == {-1, 0, 1}
    assert {draw.pick("ab") for _ in range(100)} == {"a", "b"}


def test_chances_at_the_extremes() -> None:
    draw = Draw(1)
    assert not any(draw.chance(0) for _ in range(100))
    assert all(draw.chance(1) for _ in range(100))


@pytest.mark.parametrize("version", [1, 4, 5])
def test_uuids_are_valid_and_of_their_version(version: int) -> None:
    drawn = [Draw(seed).uuid(version) for seed in range(50)]
    parsed = [uuid.UUID(text) for text in drawn]
    assert {one.version for one in parsed} == {version}
    assert {one.variant for one in parsed} == {uuid.RFC_4122}
    assert [str(one) for one in parsed] == drawn


def test_entities_repeat_names_but_not_ids() -> None:
    entities = Draw(1).entities(["Oslo", "Graz"], 5)
    assert [one.name for one in entities] == ["Oslo", "Graz", "Oslo", "Graz", "Oslo"]
    assert len({one.id for one in entities}) == 5


def test_two_entities_have_different_codes() -> None:
    pool = [Entity(str(number), name) for number, name in enumerate(["Porto", "Porec", "Oslo", "Oslob"])]
    draw = Draw(1)
    pairs = [draw.two(pool) for _ in range(200)]
    assert all(first.code != second.code for first, second in pairs)
    assert {first.name for first, _ in pairs} == {one.name for one in pool}
