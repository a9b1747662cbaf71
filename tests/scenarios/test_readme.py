"""README.md is true: its commands exist, and those that need no network do what it says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import duckdb
import pytest

from pipelines.cli.demo import DEMO_ROWS
from pipelines.cli.main import app, run
from pipelines.project_files import CHECKOUT
from pipelines.reading.published import query_home
from pipelines.storage.home import Home
from tests.demos import demo_home
from tests.documents import ASSIGNMENT, command_lines, commands_of
from tests.support import Shell, milestone, serving_shells

pytestmark = pytest.mark.slow

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
MILESTONES, MAKE = commands_of("milestones", README), commands_of("make", README)
SQL = [words[1:] for words in MILESTONES if words[:1] == ["sql"] and len(words) > 1]
EXPORTS = [words[1:] for words in MILESTONES if words[:1] == ["export"]]


def test_there_are_commands_to_look_at() -> None:
    assert ["demo"] in MAKE
    assert ["ingest"] in MILESTONES
    assert {words[0] for words in command_lines(README)} <= {
        *("milestones", "make", "source", "export", "dagster", "dg", "unset", "cd", "git", "uv", "python", "sudo"),
        *("systemctl", "docker", "crontab", "curl", "cp", "rsync", "uvx", "pipx"),
    }


@pytest.mark.parametrize("words", MILESTONES, ids=" ".join)
def test_every_milestones_command_is_understood(words: list[str]) -> None:
    _, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    assert bound is not None


def test_what_does_not_exist_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--no-such"):
        app.parse_args(["ingest", "--no-such"], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", MAKE, ids=" ".join)
def test_every_make_verb_exists(words: list[str]) -> None:
    for verb in words:
        assert ASSIGNMENT.fullmatch(verb) or re.search(rf"^{re.escape(verb)}:.*## ", MAKEFILE, re.MULTILINE), verb


def test_every_make_verb_is_documented() -> None:
    for verb in re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE):
        if verb not in ("help", "lock", "clean", "ui"):  # `make help` names these
            assert f"make {verb}" in README, verb
    assert "make help" in README


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """The home that `make demo` leaves."""
    with demo_home(tmp_path_factory.mktemp("demo") / "home", rows=DEMO_ROWS) as home:
        yield home


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("readme"), [milestone(number) for number in range(1, 4)])
        shell.sweep()
        shell.stages.publish()
    return shell


def test_the_readme_points_at_the_demo_before_its_first_query() -> None:
    assert README.index("export MILESTONES_HOME=data/demo\n") < README.index("milestones sql")


def says_something(answer: Iterable[Iterable[object]]) -> bool:
    """Whether there are rows, and anything in them but NULL, zero and empty text."""
    return any(value for row in answer for value in row)


@pytest.mark.parametrize("words", SQL, ids=lambda words: words[-1][:60])
def test_every_query_answers_something_in_the_demo(
    demo: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.setenv("MILESTONES_HOME", str(demo.root))
    assert run(["sql", *words]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out
    assert says_something(query_home(demo, words[-1]).rows)


def test_an_empty_answer_would_be_noticed(demo: Home) -> None:
    assert not says_something(query_home(demo, "select title from milestones where false").rows)
    assert not says_something(query_home(demo, "select count(*), null, '' from milestones where false").rows)


@pytest.mark.parametrize("words", EXPORTS, ids=lambda words: words[-3][:60])
def test_every_export_writes_something_in_the_demo(
    demo: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
) -> None:
    monkeypatch.setenv("MILESTONES_HOME", str(demo.root))
    *options, name = words
    assert options[-1] == "--output"
    assert run(["export", *options, str(tmp_path / name)]) == 0
    if name.endswith(".ics"):
        assert b"BEGIN:VEVENT" in (tmp_path / name).read_bytes()
        return
    kind = {".parquet": "read_parquet", ".jsonl": "read_json"}[Path(name).suffix]
    assert duckdb.execute(f"SELECT * FROM {kind}('{tmp_path / name}') LIMIT 1").fetchall()


@pytest.mark.parametrize("verb", [verb for verb in ("status", "verify", "quarantine") if [verb] in MILESTONES])
def test_commands_without_network_run(
    demo: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    monkeypatch.setenv("MILESTONES_HOME", str(demo.root))
    assert run([verb]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out


def test_every_table_of_the_readme_is_published(published: Shell) -> None:
    names = {
        name
        for cell in re.findall(r"^\| ([^|]+) \| [^|]+ \|$", README, re.MULTILINE)
        for name in re.findall(r"`(milestone\w*|details_fields|quarantine|sweeps)`", cell)
        if not re.search(r"`milestones [a-z]", cell)
    }
    assert {"milestones", "milestone_versions", "sweeps"} <= names
    for name in names:
        query_home(published.home, f"SELECT * FROM {name} LIMIT 1")


def test_every_table_that_is_published_is_in_the_readme(published: Shell) -> None:
    tables = query_home(published.home, "SELECT table_name FROM duckdb_tables() WHERE NOT internal").rows
    for (name,) in tables:
        if name != "schema_version" and not re.fullmatch(r"details_(?!fields)\w+", name):
            assert f"`{name}`" in README, name


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (CHECKOUT / target).exists(), target


def test_no_file_of_the_project_names_a_machine() -> None:
    assert not re.search(r"/(work|root|home/\w+)/", README)
    assert Path(CHECKOUT / "README.md").is_file()
