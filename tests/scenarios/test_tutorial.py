"""The tutorial and the guides are true: their commands exist, their queries answer, their Python programs run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.cli.main import app, run
from pipelines.storage.home import DEMO_HOME, Home
from tests.demos import demo_home
from tests.documents import command_lines, commands_of

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
DOCS = PROJECT / "docs"
TUTORIAL, *GUIDES = (
    path.read_text(encoding="utf-8")
    for path in (DOCS / "tutorial.md", DOCS / "index.md", *sorted((DOCS / "how-to").glob("*.md")))
)
MAKEFILE = (PROJECT / "Makefile").read_text(encoding="utf-8")
ROWS = 1_000
"""Of the demo: enough for every query to answer, and quick."""

MILESTONES = commands_of("milestones", TUTORIAL, *GUIDES)
SQL = [words for words in MILESTONES if words[0] == "sql"]
EXPORTS = [words for words in commands_of("milestones", TUTORIAL) if words[0] == "export"]
API = (DOCS / "python-api.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", TUTORIAL + API, re.MULTILINE | re.DOTALL)
SHOWN = re.findall(r"^```sh\nmilestones sql \"([^\n]*)\"\n```\n\n```text\n([^\n]*)\n", TUTORIAL, re.MULTILINE)
"""Queries whose result the tutorial shows, and the first line of it."""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the demo's home in it."""
    folder = tmp_path_factory.mktemp("checkout")
    with demo_home(folder / DEMO_HOME, rows=ROWS) as home:
        # Where the default home publishes.
        (folder / "data" / "published").symlink_to(home.published)
        yield folder


@pytest.fixture
def demo(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, as the tutorial leaves it after its first part."""
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("MILESTONES_HOME", str(DEMO_HOME))
    return checkout


def test_the_tutorial_makes_the_demo_before_it_uses_it() -> None:
    lines = command_lines(TUTORIAL)
    assert lines[0] == ["make", "demo"]
    assert lines.index(["export", f"MILESTONES_HOME={DEMO_HOME}"]) < lines.index(["milestones", "status"])


@pytest.mark.parametrize("words", MILESTONES, ids=" ".join)
def test_every_milestones_command_is_understood(words: list[str]) -> None:
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert bound is not None


@pytest.mark.parametrize("words", commands_of("make", TUTORIAL, *GUIDES), ids=" ".join)
def test_every_make_verb_exists(words: list[str]) -> None:
    assert re.search(rf"^{re.escape(words[0])}:.*## ", MAKEFILE, re.MULTILINE)


@pytest.mark.parametrize("words", [["status"], ["verify"], *SQL], ids=lambda words: words[-1][:60])
def test_every_command_that_reads_prints_something(
    demo: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(words) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out
    assert not captured.out.endswith("\n0 rows\n")


@pytest.mark.parametrize(("query", "heading"), SHOWN, ids=lambda text: text[:60])
def test_a_shown_result_has_the_columns_of_its_query(
    demo: Path, capsys: pytest.CaptureFixture[str], query: str, heading: str
) -> None:
    assert run(["sql", query]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == heading.split()


def test_results_are_shown() -> None:
    assert len(SHOWN) == TUTORIAL.count("```text")


@pytest.mark.parametrize("words", EXPORTS, ids=lambda words: words[-1])
def test_every_export_writes_rows(demo: Path, words: list[str]) -> None:
    assert run(words) == 0
    assert duckdb.execute(f"SELECT * FROM '{demo / words[-1]}' LIMIT 1").fetchall()


@pytest.mark.parametrize("program", PYTHON, ids=lambda program: program.splitlines()[0])
def test_every_python_program_prints_something(demo: Path, capsys: pytest.CaptureFixture[str], program: str) -> None:
    exec(program, {})  # noqa: S102 - the document's own program
    assert capsys.readouterr().out.strip()


def test_the_listed_files_are_the_homes() -> None:
    home = Home(Path("home"))
    paths = {getattr(home, name) for name, kind in vars(Home).items() if isinstance(kind, property)}
    known = {str(path.relative_to(home.root)) for path in (*paths, home.staging("sweep").parent)}
    listed = re.findall(r"^\| `([^`]+)` \|", (DOCS / "files.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert listed
    assert set(listed) <= known
