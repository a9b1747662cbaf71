"""Categories: groups the API's spellings and synonyms, by the table category_groups.csv."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources


@cache
def category_groups() -> dict[str, str]:
    """Group by category as sent, from category_groups.csv; a category that is not listed is its own group."""
    text = resources.files("schemas").joinpath("category_groups.csv").read_text(encoding="utf-8")
    return {row["category"]: row["category_group"] for row in csv.DictReader(text.splitlines())}


@cache
def _folded_groups() -> dict[str, str]:
    return {category.casefold(): group for category, group in category_groups().items()}


def is_same_category(one: str, other: str) -> bool:
    """Whether two categories are the same regardless of case and spelling: the API changes the case of a filter."""
    groups = [_folded_groups().get(category.casefold(), category).casefold() for category in (one, other)]
    return groups[0] == groups[1]


def category_group(category: str | None) -> str | None:
    """The group of a category as sent; None for None."""
    return None if category is None else category_groups().get(category, category)
