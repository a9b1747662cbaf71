"""The data dictionary has every table, column, rule, view and function. That the file is current: tests/tools."""

from __future__ import annotations

import re

from schemas.dictionary import dictionary
from schemas.endpoints import PUBLISHED_TABLES
from schemas.functions import FUNCTIONS
from schemas.view import Parameter, View, ViewColumn

VIEW = View(
    "busy_days",
    "Which days are busy?",
    ("A note.",),
    (Parameter("least", "10", "The least milestones | of a day."),),
    (ViewColumn("day", "DATE", "The day."),),
)
MACRO = View("day_of", "Which milestones are on a day?", (), (Parameter("day", None, "The day."),), ())


def sections_of(text: str) -> dict[str, str]:
    parts = re.split(r"^##+ (.+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_published_table_has_a_section_with_its_columns_and_rules() -> None:
    sections = sections_of(dictionary([]))
    for table in PUBLISHED_TABLES:
        section = sections[table.name]
        rows = [line.split(" | ")[0].strip("| `") for line in section.splitlines() if line.startswith("| `")]
        assert rows == [column.name for column in table.columns], table.name
        assert f"One row per {table.grain}; key ({', '.join(table.key)})." in section
        for rule in table.rules:
            assert f"Rule `{rule.name}`: {rule.description}." in section
        for reference in table.references:
            assert f"`{reference.column}` refers to `{reference.table}.{reference.to}`." in section


def test_views_and_macros_are_listed_with_their_parameters() -> None:
    text = dictionary([VIEW, MACRO])
    assert "- [`busy_days`](#busy_days): Which days are busy?" in text
    assert "- [`day_of()`](#day_of): Which milestones are on a day?" in text
    sections = sections_of(text)
    assert "View, and macro `busy_days(least := 10)`." in sections["busy_days"]
    assert "| `day` | DATE | The day. |" in sections["busy_days"]
    assert r"| `least` | `10` | The least milestones \| of a day. |" in sections["busy_days"], (
        "a bar would end the cell"
    )
    assert "Macro `day_of(day)`." in sections["day_of"]


def test_every_function_is_listed() -> None:
    section = sections_of(dictionary([]))["Functions"]
    for function in FUNCTIONS:
        assert f"| `{function.signature}` | {function.description} |" in section
