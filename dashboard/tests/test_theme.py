"""Colours stay what they are."""

from __future__ import annotations

from board.theme import GROUP_COLOURS, SPARE_COLOURS, colour_of, group_scale, in_order


def test_a_group_has_its_own_colour() -> None:
    assert len(set(GROUP_COLOURS.values())) == len(GROUP_COLOURS)
    assert colour_of("Sports") == GROUP_COLOURS["Sports"]


def test_a_new_group_has_the_same_colour_every_day() -> None:
    assert colour_of("Brand new") in SPARE_COLOURS
    assert colour_of("Brand new") == colour_of("Brand new")


def test_groups_stand_in_one_order() -> None:
    assert in_order(["Zebra", "Esports", "Sports", "Alpha", "Esports"]) == ["Sports", "Esports", "Alpha", "Zebra"]
    scale = group_scale(["Esports", "Sports"]).to_dict()
    assert scale == {"domain": ["Sports", "Esports"], "range": [GROUP_COLOURS["Sports"], GROUP_COLOURS["Esports"]]}
