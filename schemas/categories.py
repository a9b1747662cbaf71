"""Categories: spellings and synonyms of the API folded into groups, by a table that is kept as data."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources


@cache
def category_groups() -> dict[str, str]:
    """Category as sent to its group, from category_groups.csv; what is not listed is its own group."""
    text = resources.files("schemas").joinpath("category_groups.csv").read_text(encoding="utf-8")
    return {row["category"]: row["category_group"] for row in csv.DictReader(text.splitlines())}


def category_group(category: str | None) -> str | None:
    """The group of a category as sent; None for none."""
    return None if category is None else category_groups().get(category, category)
