"""The command line as a whole: exit statuses, one line on stderr for each error, help and README."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.cli.app import EXIT_WRONG_USE
from pipelines.cli.main import app
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.query import MilestoneQuery
from pipelines.project_files import CHECKOUT
from pipelines.storage.home import Home
from pipelines.storage.lock import writer_lock
from pipelines.warehouse.blocks import BLOCK_BYTES, HEADER_BYTES
from tests.cli.commands import DEAD_URL, Command, environment
from tests.support import Shell, Shells, files_of_at_most, milestone, rows_of, tree

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", ["ingest", "rebuild", "ui", "verify", "restore", "status"])
def test_a_home_that_is_a_file_is_a_wrong_setting(
    tmp_path: Path, at: Callable[..., Home], command: Command, verb: str
) -> None:
    (file := tmp_path / "home").write_text("mine")
    at(file)
    outcome = command(verb)
    assert outcome.status == EXIT_WRONG_USE
    assert outcome.error_line == f"the home {file} is a file: set MILESTONES_HOME to a folder"
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    "arguments", [["status"], ["sql", "select 1"], ["verify"], ["quarantine"], ["rebuild"]], ids=str
)
def test_a_home_with_an_invalid_path_fails(
    tmp_path: Path, at: Callable[..., Home], command: Command, arguments: list[str]
) -> None:
    # A name too long for any file system stands in for a missing permission, which root ignores.
    home = at(tmp_path / ("h" * 300))
    outcome = command(*arguments)
    assert (outcome.status, outcome.out) == (1, "")
    assert str(home.root) in outcome.error_line


@pytest.mark.slow
def test_a_closed_pipe_is_not_an_error(published: Shell) -> None:
    program = [sys.executable, "-m", "pipelines.cli", "sql", "--format", "json", "select * from range(100000)"]
    environment_ = os.environ | environment(published.home.root, DEAD_URL)
    with subprocess.Popen(program, env=environment_, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, b"")


WRONG_USE = {
    "unknown command": (["fetch"], "fetch"),
    "unknown option": (["ingest", "--fast"], "--fast"),
    "unknown format": (["sql", "select 1", "--format", "xml"], "xml"),
    "not a number": (["sandbox", "--port", "http"], "http"),
    "option without a value": (["ingest", "--category"], "--category"),
    "ids and filters": (
        ["ingest", "--id", "a", "--category", "Sports"],
        "--id names single milestones: leave --category out",
    ),
    "ids and full": (["ingest", "--id", "a", "--full"], "--id names single milestones: leave --full out"),
    "full and filters": (["ingest", "--full", "--type", "x"], "--full chooses every milestone: leave --type out"),
    "two queries": (["sql", "select 1", "select 2"], "select 2"),
    "negative rows": (["sandbox", "--rows", "-1"], "--rows"),
    "zero requests": (["sandbox", "--requests-per-second", "0"], "--requests-per-second"),
    "negative changes": (["sandbox", "--changes", "-1"], "--changes"),
    "unknown habit": (["sandbox", "--habit", "none"], "none is no habit of the sandbox; these are: order-descending"),
    "empty id": (["ingest", "--id", ""], "--id is empty"),
    "empty category": (["ingest", "--category", ""], "--category is empty"),
    "blank type": (["ingest", "--type", " "], "--type is empty"),
    "port too large": (["ui", "--port", "99999"], "--port"),
    "raw JSON": (["sql", "select 1", "--raw", "--format", "json"], "--raw applies to CSV only"),
    "JSON as text in a table": (["sql", "select 1", "--json-as-text"], "--json-as-text applies to JSON only"),
    "all rows as CSV": (["sql", "select 1", "--all", "--format", "csv"], "--all applies to tables only"),
    "comment like an option": (["sql", "--comment"], "--comment"),
    "negative limit": (["quarantine", "--limit", "-1"], "--limit"),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG_USE.values(), ids=WRONG_USE)
def test_wrong_use(
    tmp_path: Path, at: Callable[..., Home], command: Command, arguments: list[str], message: str
) -> None:
    at(tmp_path / "home")
    outcome = command(*arguments)
    assert outcome.status == 2
    assert message in outcome.error_line
    assert outcome.out == ""
    assert not (tmp_path / "home").exists()


NEEDS_PUBLISHED = {
    "status": ["status"],
    "status as JSON": ["status", "--json"],
    "sql": ["sql", "select 1"],
    "verify": ["verify"],
    "quarantine": ["quarantine"],
    "rebuild": ["rebuild"],
}


@pytest.mark.parametrize("arguments", NEEDS_PUBLISHED.values(), ids=NEEDS_PUBLISHED)
def test_commands_that_need_a_published_home_fail_without_one(
    tmp_path: Path, at: Callable[..., Home], command: Command, arguments: list[str]
) -> None:
    at(tmp_path)
    outcome = command(*arguments)
    assert outcome.status == 1
    assert outcome.error_line.endswith("run milestones ingest first")
    assert outcome.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["ingest", "rebuild"])
def test_a_second_writer_fails_with_75(published: Shell, at: Callable[..., Home], command: Command, verb: str) -> None:
    home = at(published.home.root)
    before = tree(home.published)
    with writer_lock(home, purpose="the other run"):
        outcome = command(verb)
    assert outcome.status == 75
    assert f"process {os.getpid()} (the other run)" in outcome.error_line
    assert tree(home.published) == before


def test_rebuild(published: Shell, at: Callable[..., Home], command: Command) -> None:
    home = at(published.home.root)
    outcome = command("rebuild")
    assert (outcome.status, outcome.err) == (0, "")
    assert re.search(r"^\s+99  milestones$", outcome.out, re.MULTILINE)
    assert f"published as {home.latest_snapshot.resolve()}" in outcome.out


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("rebuild",), ("ingest", "--full")], ids=" ".join)
def test_a_full_disk_prints_one_line(
    published: Shell, tmp_path: Path, at: Callable[..., Home], command: Command, arguments: tuple[str, ...]
) -> None:
    root = Path(shutil.copytree(published.home.root, tmp_path / "home", symlinks=True))
    home = at(root, published.base_url)
    before = tree(home.published)
    with files_of_at_most(1_000_000):
        outcome = command(*arguments)
    assert outcome.status == 1
    assert outcome.err.splitlines()[-1] == (
        f"milestones: no space left for {root}: free disk space, then run again (published files are intact)"
    )
    assert "Traceback" not in outcome.err
    assert tree(home.published) == before


def test_rebuild_fails_in_a_home_that_is_not_writable(
    published: Shell, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    root = Path(shutil.copytree(published.home.root, tmp_path / "home", symlinks=True))
    (root / ".preflight").mkdir()
    at(root)
    outcome = command("rebuild")
    assert (outcome.status, outcome.error_line.partition(" (")[0]) == (1, f"cannot write to {root}")


def test_sandbox_without_records_is_wrong_use(tmp_path: Path, command: Command) -> None:
    outcome = command("sandbox", "--records", str(tmp_path))
    assert (outcome.status, outcome.error_line) == (2, f"no milestone in the JSON files of {tmp_path}")
    outcome = command("sandbox", "--records", str(tmp_path / "gone"))
    assert outcome.status == 2
    assert "gone" in outcome.error_line


@pytest.mark.slow
def test_sandbox_as_a_process() -> None:
    program = [sys.executable, "-m", "pipelines.cli", "sandbox", "--rows", "3", "--port", "0"]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=CHECKOUT) as server:
        assert server.stdout is not None
        try:
            outcome = re.match(r"the sandbox serves (http://127\.0\.0\.1:\d+/trade-api/v2)\n", server.stdout.readline())
            assert outcome
            with KalshiClient(outcome[1], requests_per_second=0) as api:
                assert api.list_page(MilestoneQuery()).records == 3
        finally:
            server.send_signal(signal.SIGINT)
            _, err = server.communicate(timeout=30)
    assert server.returncode in (0, 130)
    assert err == ""


def command_names() -> list[str]:
    return sorted(name for name in app if not name.startswith("-"))


def test_help_lists_every_command(command: Command) -> None:
    outcome = command("--help")
    assert outcome.status == 0
    assert command_names() == [
        *("backup", "cluster", "completion", "dashboard", "demo", "doctor", "export", "ingest", "mcp", "publish"),
        *("quarantine", "rebuild"),
        *("restore", "sandbox", "serve", "sql", "status", "ui", "verify"),
    ]
    for verb in command_names():
        assert re.search(rf"^\W*{verb}\s+\w", outcome.out, re.MULTILINE), verb


@pytest.mark.parametrize("verb", command_names())
def test_every_command_is_documented(command: Command, verb: str) -> None:
    assert f"`milestones {verb}" in README
    outcome = command(verb, "--help")
    assert outcome.status == 0
    (row,) = (
        line
        for line in README.splitlines()
        if re.match(rf"\| `milestones {verb}( \[QUERY\]| SHELL| FOLDER)?` \|", line)
    )
    for option in set(re.findall(r"--[a-z-]+", outcome.out)) - {"--help", "--version"}:
        assert f"`{option}" in row, f"{option} of {verb} is missing in README.md"


def test_every_documented_option_exists(command: Command) -> None:
    for line in README.splitlines():
        if match := re.match(r"\| `milestones ([a-z ]+?)(?: \[QUERY\]| FOLDER)?` \|", line):
            helped = command(*shlex.split(match[1]), "--help").out
            for option in re.findall(r"`(--[a-z-]+)", line):
                assert option in helped, line


@pytest.mark.slow
def test_a_lost_warehouse_is_restored(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    home = at(tmp_path, shell.base_url)
    assert command("ingest").status == 0
    home.warehouse_file.unlink()
    for arguments in (["ingest"], ["rebuild"], ["quarantine", "retry"]):
        lost = command(*arguments)
        assert (lost.status, "milestones restore" in lost.error_line) == (1, True), arguments
        assert not home.warehouse_file.exists()
    restored = command("restore")
    assert restored.status == 0
    assert f"{home.warehouse_file} was recreated from {home.published_duckdb}" in restored.out
    assert command("ingest", "--json").status == 0
    assert rows_of(home.warehouse_file, "SELECT count(*) FROM milestone_versions") == [(2,)]
    again = command("restore")
    assert (again.status, "nothing to restore" in again.error_line) == (2, True)


@pytest.mark.slow
def test_a_damaged_warehouse_is_restored(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    home = at(tmp_path, shell.base_url)
    assert command("ingest").status == 0
    with home.warehouse_file.open("r+b") as file:
        file.seek(HEADER_BYTES + BLOCK_BYTES)
        file.write(bytes(home.warehouse_file.stat().st_size - HEADER_BYTES - BLOCK_BYTES))
    failed = command("ingest")
    assert failed.status == 1
    assert "milestones restore" in failed.error_line
    assert command("verify", "--only", "published").status == 0
    assert "milestones restore" in command("verify").error_line
    assert command("restore").status == 0
    assert command("ingest").status == 0


def test_an_io_error_of_duckdb_prints_one_line(published: Shell, at: Callable[..., Home]) -> None:
    """A failing disk: DuckDB raises errors that are not an OSError."""
    home = at(published.home.root)
    failing = (
        "import sys, duckdb, pipelines.cli.main as cli\n"
        "@cli.app.command\n"
        "def fail() -> int:\n"
        "    raise duckdb.IOException('Could not write file \\\"x\\\": Input/output error\\nmore')\n"
        "sys.exit(cli.run(['fail']))"
    )
    done = subprocess.run([sys.executable, "-c", failing], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f'milestones: DuckDB failed (Could not write file "x": Input/output error): check the disk of {home.root}, '
        "then run again\n"
    )
