"""Colours of groups are stable."""

from __future__ import annotations

from board.theme import GROUP_COLOURS, SPARE_COLOURS, group_colour, group_scale, sorted_groups


def test_a_group_has_its_own_colour() -> None:
    assert len(set(GROUP_COLOURS.values())) == len(GROUP_COLOURS)
    assert group_colour("Sports") == GROUP_COLOURS["Sports"]


def test_a_new_group_has_the_same_colour_every_day() -> None:
    assert group_colour("Brand new") in SPARE_COLOURS
    assert group_colour("Brand new") == group_colour("Brand new")


def test_groups_have_a_fixed_order() -> None:
    assert sorted_groups(["Zebra", "Esports", "Sports", "Alpha", "Esports"]) == ["Sports", "Esports", "Alpha", "Zebra"]
    scale = group_scale(["Esports", "Sports"]).to_dict()
    assert scale == {"domain": ["Sports", "Esports"], "range": [GROUP_COLOURS["Sports"], GROUP_COLOURS["Esports"]]}
