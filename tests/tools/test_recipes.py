"""What runs the recipes notices what is not so; that all are so, `make readers` finds out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tools.generate import COOKBOOK, questions
from tools.recipes import DOCUMENT, FAULT, cookbook_differences, differences, printed, recipes, runner

TEXT = DOCUMENT.read_text(encoding="utf-8")
LOCKED = sorted(path.stem for path in (PROJECT / "requirements" / "readers").glob("*.txt"))


def recipe(prints: str, environments: str = "one two") -> str:
    return f"<!-- runs in: {environments} -->\n```python\nprint(1)\n```\n\n```text\n{prints}```\n"


def test_every_environment_has_its_recipes_and_every_recipe_its_environments() -> None:
    named = {environment for one in recipes(TEXT) for environment in one.environments}
    assert sorted(named) == LOCKED


@pytest.mark.parametrize("name", LOCKED)
def test_every_environment_is_locked_by_hash(name: str) -> None:
    text = (PROJECT / "requirements" / "readers" / f"{name}.txt").read_text(encoding="utf-8")
    pins = [line for line in text.splitlines() if line[:1].isalpha()]
    assert pins
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert (PROJECT / "requirements" / "readers" / f"{name}.in").exists()


def test_every_block_of_python_is_a_recipe_that_prints_something() -> None:
    assert TEXT.count("```python") == len(recipes(TEXT)) > 0
    for one in recipes(TEXT):
        assert one.prints.strip()
        assert "Traceback" not in one.prints


def test_a_recipe_that_prints_something_else_is_noticed() -> None:
    answers = {"one": "1\n", "two": "2\n"}
    found = list(differences(recipe("1\n"), lambda environment, _: answers[environment]))
    assert found == ["recipe 1 in two prints\n2\ninstead of\n1\n"]
    assert list(differences(recipe("1\n", "one"), lambda environment, _: answers[environment])) == []


def test_what_is_printed_is_written_under_it() -> None:
    document = "# A\n\n{}\nB\n"
    assert printed(document.format(recipe("")), lambda *_: "1\n") == document.format(recipe("1\n"))


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ({"new": "1\n", "old": "1\n"}, []),
        ({"new": "1\n", "old": "2\n"}, ["the cookbook in old is not what it is in new:"]),
        ({"new": "Traceback (most recent call last)\n", "old": "1\n"}, ["the cookbook in new:", "the cookbook in old"]),
    ],
    ids=["the same", "different", "a fault"],
)
def test_a_duckdb_that_answers_differently_is_noticed(answers: dict[str, str], says: list[str]) -> None:
    found = list(cookbook_differences("```sql\nselect 1\n```\n", answers, lambda environment, _: answers[environment]))
    assert len(found) == len(says)
    assert all(difference.startswith(start) for difference, start in zip(found, says, strict=True))


def test_the_cookbooks_questions_are_asked() -> None:
    cookbook = COOKBOOK.read_text(encoding="utf-8")
    (code,) = cookbook_differences(cookbook, ["one"], lambda _, code: f"{FAULT} {code}")
    assert len(questions(cookbook)) > 13
    assert all(repr(question) in code for question in questions(cookbook))


def test_code_runs_in_its_environment_and_folder(tmp_path: Path) -> None:
    (tmp_path / "environments" / "here" / "bin").mkdir(parents=True)
    (tmp_path / "environments" / "here" / "bin" / "python").symlink_to(sys.executable)
    (tmp_path / "data").mkdir()
    run = runner(tmp_path / "environments", tmp_path)
    assert run("here", "import os; print(os.listdir())").count("data") == 1
    assert "ZeroDivisionError" in run("here", "1 / 0")
