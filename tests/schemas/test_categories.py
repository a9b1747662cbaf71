from __future__ import annotations

import csv
from pathlib import Path

import pytest

import schemas
from schemas.categories import category_group, category_groups

FILE = Path(schemas.__file__).with_name("category_groups.csv")


def test_the_table_of_groups_is_consistent() -> None:
    with FILE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert list(rows[0]) == ["category", "category_group", "reason"]
    categories = [row["category"] for row in rows]
    assert len(categories) == len(set(categories)), "a category stands in two groups"
    for row in rows:
        assert all(value == value.strip() != "" for value in row.values()), row
        assert row["category"] != row["category_group"], "what is not listed is its own group"
        assert row["category_group"] not in categories, "a group must not be folded into another"
    assert category_groups() == {row["category"]: row["category_group"] for row in rows}


@pytest.mark.parametrize(
    ("category", "group"),
    [
        ("Sports", "Sports"),
        ("sports", "Sports"),
        ("mentions", "Mentions"),
        ("Finance", "Financials"),
        ("Financials", "Financials"),
        ("Technology", "Science and Technology"),
        ("Science & Technology", "Science and Technology"),
        ("Science and Technology", "Science and Technology"),
        ("SPORTS", "SPORTS"),
        ("Never seen", "Never seen"),
        ("", ""),
    ],
)
def test_synonyms_are_grouped_and_other_categories_stay(category: str, group: str) -> None:
    assert category_group(category) == group
    assert category_group(category_group(category)) == group
