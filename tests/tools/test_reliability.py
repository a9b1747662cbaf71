"""The catalogue of faults in docs/reliability.md: complete, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import PROJECT

FAULTS = 100
TEXT = (PROJECT / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS: dict[int, list[str]] = {}
for line in re.findall(r"^\| \d+ \|.*$", TEXT, re.MULTILINE):
    number, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    ROWS.setdefault(int(number), cells)


@cache
def names_in(path: str) -> frozenset[str]:
    """The names of the tests of a file, with their class: read, not run."""
    return frozenset(_tests(ast.parse((PROJECT / path).read_text(encoding="utf-8"))))


def _tests(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[str]:
    for child in node.body:
        if isinstance(child, ast.ClassDef) and child.name.startswith("Test"):
            yield from _tests(child, f"{prefix}{child.name}::")
        elif isinstance(child, ast.FunctionDef) and child.name.startswith("test_"):
            yield f"{prefix}{child.name}"


def missing(cell: str) -> list[str]:
    """The tests of a cell that do not exist, and whatever in it is no test."""
    names = cell.split(", ")
    found = [re.fullmatch(r"`([\w/]+\.py)::([\w:]+)`", name) for name in names]
    return [
        name
        for name, match in zip(names, found, strict=True)
        if match is None or not (PROJECT / match[1]).is_file() or match[2] not in names_in(match[1])
    ]


def test_every_number_is_there_once() -> None:
    numbers = [int(number) for number in re.findall(r"^\| (\d+) \|", TEXT, re.MULTILINE)]
    assert numbers == list(range(1, FAULTS + 1))


@pytest.mark.parametrize("number", ROWS)
def test_a_row_names_a_fault_a_behaviour_and_tests_that_exist(number: int) -> None:
    fault, behaviour, tests = ROWS[number]
    assert fault
    assert behaviour
    assert missing(tests) == []


def test_a_test_that_does_not_exist_is_noticed() -> None:
    here = Path(__file__).relative_to(PROJECT)
    name = test_every_number_is_there_once.__name__
    assert missing(f"`{here}::{name}`") == []
    for wrong in (f"`{here}::{name}_too`", f"`{here}::TestNone::{name}`", f"`tests/none.py::{name}`", name, ""):
        assert missing(wrong) == [wrong]
