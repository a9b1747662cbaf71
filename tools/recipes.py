"""Runs the recipes of docs/other-tools.md, each in the environments that it names, and the cookbook in every DuckDB.

A recipe is a comment with the names of its environments, a block of Python and a block with its output. `make readers`
creates the environments from requirements/readers/, one folder each, and runs this module.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from tools.generate import COOKBOOK, DBT_PROJECT, DOCS, demo_home, questions

PROJECT = DOCS.parent
DOCUMENT = DOCS / "other-tools.md"
DEADLINE_SECONDS = 180
"""dbt takes 12 s on an idle machine and three times that on a busy one."""
LINES_SHOWN = 20
FAULT = "Traceback (most recent call last)"

_RECIPE = re.compile(
    r"(<!-- runs in: (?P<environments>[\w. -]+) -->\n```python\n(?P<code>.*?)```\n\n```text\n)(?P<prints>.*?)(?=```)",
    re.DOTALL,
)

ASK_EVERYTHING = """
import sys
import duckdb

with duckdb.connect("data/published/milestones.duckdb", read_only=True) as connection:
    connection.execute("SET TimeZone = 'UTC'")
    for query in {queries!r}:
        for row in connection.execute(query).fetchall():
            print(*row, sep=" | ")
"""

Run = Callable[[str, str], str]
"""Takes an environment and code; returns what the code prints there."""


@dataclass(frozen=True)
class Recipe:
    """One recipe: its environments, its code and its output."""

    environments: tuple[str, ...]
    code: str
    prints: str


def recipes(document: str) -> list[Recipe]:
    """The recipes of a document."""
    return [
        Recipe(tuple(found["environments"].split()), found["code"], found["prints"])
        for found in _RECIPE.finditer(document)
    ]


def differences(document: str, run: Run) -> Iterator[str]:
    """Recipes whose output differs from the document."""
    for number, recipe in enumerate(recipes(document), start=1):
        for environment in recipe.environments:
            printed = run(environment, recipe.code)
            if printed != recipe.prints:
                yield f"recipe {number} in {environment} prints\n{printed}instead of\n{recipe.prints}"


def cookbook_differences(cookbook: str, environments: Iterable[str], run: Run) -> Iterator[str]:
    """Versions of DuckDB whose results of the cookbook's queries differ from those of the first one."""
    code = ASK_EVERYTHING.format(queries=questions(cookbook))
    first, *others = [(environment, run(environment, code)) for environment in environments]
    if FAULT in first[1]:
        yield f"the cookbook in {first[0]}: {first[1]}"
    for environment, answers in others:
        changed = list(unified_diff(first[1].splitlines(), answers.splitlines(), lineterm=""))
        if changed:
            yield "\n".join((f"the cookbook in {environment} is not what it is in {first[0]}:", *changed[:LINES_SHOWN]))


def printed(document: str, run: Run) -> str:
    """The document with the output of its recipes in the first of their environments."""

    def answer(found: re.Match[str]) -> str:
        return found[1] + run(found["environments"].split()[0], found["code"])

    return _RECIPE.sub(answer, document)


def runner(environments: Path, folder: Path) -> Run:
    """Runs code with the Python of an environment, in a folder; standard error is part of the output."""

    def run(environment: str, code: str) -> str:
        # From a file: otherwise DuckDB assumes an interactive session and draws a progress bar when it is slow.
        (folder / "recipe.py").write_text(code, encoding="utf-8")
        done = subprocess.run(  # noqa: S603 - our own document's code
            [environments / environment / "bin" / "python", "recipe.py"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=DEADLINE_SECONDS,
        )
        return done.stdout

    return run


def main(arguments: list[str]) -> int:
    """Compare outputs; with --write, write them into the document first. Returns 1 if something differs."""
    environments = Path(arguments[0]).absolute()
    with demo_home() as home:
        folder = home.root.parent
        # A copy: dbt writes its logs and artifacts into the project's folder.
        shutil.copytree(DBT_PROJECT, folder / DBT_PROJECT.relative_to(PROJECT))
        run = runner(environments, folder)
        if "--write" in arguments:
            DOCUMENT.write_text(printed(DOCUMENT.read_text(encoding="utf-8"), run), encoding="utf-8")
        found = list(differences(DOCUMENT.read_text(encoding="utf-8"), run))
        duckdbs = sorted((path.name for path in environments.glob("duckdb-*")), reverse=True)
        found += cookbook_differences(COOKBOOK.read_text(encoding="utf-8"), duckdbs, run)
    sys.stderr.writelines(f"{difference}\n" for difference in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
