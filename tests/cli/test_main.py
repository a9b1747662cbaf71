"""The command: every verb, its exit status, one line on standard error when something is wrong."""

from __future__ import annotations

import contextlib
import csv
import http.server
import importlib.metadata
import io
import json
import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.app import print_error
from pipelines.cli.main import app, run
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.query import MilestoneQuery
from pipelines.orchestration.instance import PROJECT_ROOT
from pipelines.publish.manifest import Manifest
from pipelines.storage.home import Home
from pipelines.storage.lock import writer_lock
from pipelines.warehouse.blocks import BLOCK_BYTES, HEADER_BYTES
from schemas.tables import PUBLISHED_TABLES
from tests.support import Shell, Shells, files_of_at_most, milestone, milestone_id, rows_of, serving_shells, tree

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")


@dataclass
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on standard error."""
        assert "Traceback" not in self.err + self.out
        (line,) = self.err.splitlines()
        assert line.isprintable()
        assert line.startswith("milestones: ")
        return line.removeprefix("milestones: ")


Command = Callable[..., Said]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs a command in this process."""
    before = signal.getsignal(signal.SIGTERM)
    handlers = list(logging.getLogger("pipelines").handlers)

    def say(*arguments: str) -> Said:
        capsys.readouterr()
        status = run(list(arguments))
        captured = capsys.readouterr()
        return Said(status, captured.out, captured.err)

    yield say
    signal.signal(signal.SIGTERM, before)
    logging.getLogger("pipelines").handlers = handlers


@pytest.fixture(scope="module")
def shells() -> Iterator[Shells]:
    with serving_shells() as shells:
        yield shells


HOSTILE = "=1+1|\x1b[31m"


@pytest.fixture(scope="module")
def published(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A home with something published, made without Dagster."""
    rows = [*(milestone(number) for number in range(1, 99)), milestone(99, title=HOSTILE), milestone(100, title=7)]
    shell = shells(tmp_path_factory.mktemp("published"), rows)
    shell.sweep()
    shell.stages.publish()
    return shell


def environment(home: Path, base_url: str) -> dict[str, str]:
    return {
        "MILESTONES_HOME": str(home),
        "KALSHI_BASE_URL": base_url,
        "KALSHI_REQUESTS_PER_SECOND": "0",
        "KALSHI_DEADLINE_SECONDS": "5",
        "DAGSTER_HOME": str(home / "dagster"),
        "COLUMNS": "200",
    }


DEAD_URL = "http://127.0.0.1:9/trade-api/v2"


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Home]:
    """Points the commands at a home and an API."""

    def point(home: Path, base_url: str = DEAD_URL, **variables: str) -> Home:
        for name, value in (environment(home, base_url) | variables).items():
            monkeypatch.setenv(name, value)
        return Home(home)

    return point


# The whole way


@pytest.mark.slow
def test_ingest_and_ingest_again(shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    home = at(tmp_path, shell.base_url)
    first = command("ingest", "--json")
    assert first.status == 0, first.err
    outcome = json.loads(first.out)
    assert outcome.keys() == {"sweep", "archived", "not_found", "rows", "files"}
    assert (outcome["sweep"]["mode"], outcome["sweep"]["new"], outcome["not_found"]) == ("full", 2, [])
    assert outcome["rows"].keys() >= {table.name for table in PUBLISHED_TABLES}
    assert outcome["rows"]["milestones"] == 2
    assert outcome["files"] == {"duckdb": str(home.published_duckdb), "parquet": str(home.latest_snapshot)}
    assert re.fullmatch(r"full sweep 000001-\S+: page 1, 2 records, [\d,]+/s\n", first.err)

    unknown = "ffffffff-0000-4000-8000-000000000000"
    again = command("ingest", "--id", milestone_id(2), "--id", unknown)
    assert again.status == 0, again.err
    assert re.search(rf"not found\s+{unknown}", again.out)
    assert "0 new, 0 changed; 1 unchanged, 0 superseded" in again.out
    assert rows_of(home.published_duckdb, "SELECT mode FROM sweeps ORDER BY sweep_id") == [("full",), ("by_id",)]


@pytest.mark.slow
def test_the_whole_way_in_processes_of_its_own(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", [milestone(1)])
    variables = os.environ | environment(tmp_path / "home", shell.base_url)
    outside = tree_of_names(tmp_path)
    ingest = process(["ingest"], variables, cwd=tmp_path)
    assert ingest.status == 0, ingest.err
    assert "1 new, 0 changed; 0 unchanged, 1 superseded" in ingest.out or "1 new, 0 changed" in ingest.out
    assert "Traceback" not in ingest.err
    assert tree_of_names(tmp_path) - outside == {"home"}, "everything lies below the home"
    sql = process(["sql", "select title from milestones", "--format", "csv"], variables, cwd=tmp_path)
    assert (sql.status, sql.out, sql.err) == (0, "title\nGame 1\n", "")


def process(arguments: list[str], variables: dict[str, str], *, cwd: Path = PROJECT_ROOT, given: str = "") -> Said:
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        env=variables,
        cwd=cwd,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Said(done.returncode, done.stdout, done.stderr)


def tree_of_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_a_sweep_that_its_filters_leave_empty(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    shell = shells(tmp_path, [milestone(1, category="Sports", type="football_game"), milestone(2, category="Crypto")])
    at(tmp_path, shell.base_url)
    assert command("ingest").status == 0
    unknown = command("ingest", "--category", "sports", "--json")
    assert (unknown.status, json.loads(unknown.out)["sweep"]["records"]) == (1, 0)
    assert unknown.err.splitlines()[-1] == (
        "milestones: 0 milestones were fetched: there is no category sports among the published milestones; "
        "did you mean Sports?"
    )
    known = command("ingest", "--category", "Sports", "--type", "football_game", "--since", "2099-01-01")
    assert known.status == 0
    assert known.err.splitlines()[-1] == (
        "milestones: 0 milestones were fetched: no milestone of the API matches all of these filters, "
        "although each value exists"
    )
    found = command("ingest", "--category", "Crypto")
    assert (found.status, "milestones were fetched" in found.err) == (0, False)


# What is wrong is said in one line


class Html(http.server.BaseHTTPRequestHandler):
    """Answers everything with a web page."""

    def do_GET(self) -> None:
        body = b"<html>\n<title>Down for maintenance\x1b[31m</title></html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


@contextlib.contextmanager
def web_page() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Html) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/trade-api/v2"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_an_api_that_cannot_be_reached(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    at(tmp_path, KALSHI_DEADLINE_SECONDS="0.3")
    said = command("ingest")
    assert said.status == 1
    assert "http://127.0.0.1:9/trade-api/v2/milestones within 0.3 s" in said.complaint
    assert said.out == ""
    assert not Home(tmp_path).published_duckdb.exists()


@pytest.mark.slow
def test_an_answer_that_is_not_the_apis(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    with web_page() as url:
        at(tmp_path, url, KALSHI_DEADLINE_SECONDS="0.3")
        said = command("ingest")
    assert said.status == 1
    assert "did not answer like the API" in said.complaint
    assert "Down for maintenance\\x1b" in said.complaint
    assert "check KALSHI_BASE_URL" in said.complaint


@pytest.mark.slow
def test_a_wrong_path_of_the_api(shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    at(tmp_path, shells(tmp_path).base_url.replace("v2", "v9"))
    said = command("ingest")
    assert said.status == 1
    assert "nothing found" in said.complaint
    assert "check the path of KALSHI_BASE_URL" in said.complaint


REFUSED_BEFORE: dict[str, tuple[dict[str, str], int, str]] = {
    "a scheme": ({"KALSHI_BASE_URL": "ftp://example.com"}, 1, "cannot use the base URL ftp://example.com"),
    "plain http": ({"KALSHI_BASE_URL": "http://example.com/v2"}, 1, "cannot use the base URL"),
    "a password": ({"KALSHI_BASE_URL": "https://me:s3cret@example.com"}, 1, "cannot use the base URL"),
    "a pace": ({"KALSHI_REQUESTS_PER_SECOND": "fast"}, 2, "KALSHI_REQUESTS_PER_SECOND is 'fast'"),
    "an overlap": ({"KALSHI_OVERLAP_SECONDS": "5 minutes"}, 2, "KALSHI_OVERLAP_SECONDS is '5 minutes'"),
    "a proxy": ({"KALSHI_PROXY": "socks5://me:s3cret@proxy"}, 2, "KALSHI_PROXY cannot be used (only http and https"),
    "a bundle": (
        {"KALSHI_CA_BUNDLE": "/nowhere.pem"},
        2,
        "KALSHI_CA_BUNDLE cannot be used (/nowhere.pem: No such file",
    ),
    "a deadline": ({"KALSHI_DEADLINE_SECONDS": "-1"}, 2, "KALSHI_DEADLINE_SECONDS is '-1'"),
    "a page limit": ({"KALSHI_PAGE_LIMIT": "501"}, 2, "KALSHI_PAGE_LIMIT is '501'"),
}


@pytest.mark.parametrize(("variables", "status", "says"), REFUSED_BEFORE.values(), ids=REFUSED_BEFORE)
def test_a_setting_that_cannot_be_used(
    tmp_path: Path, at: Callable[..., Home], command: Command, variables: dict[str, str], status: int, says: str
) -> None:
    at(tmp_path / "home", **variables)
    said = command("ingest")
    assert said.status == status
    assert says in said.complaint
    assert "s3cret" not in said.err
    assert not (tmp_path / "home").exists(), "nothing is written before the settings are known to be right"


@pytest.mark.parametrize("verb", ["ingest", "rebuild", "ui"])
def test_a_home_that_cannot_be_written(tmp_path: Path, at: Callable[..., Home], command: Command, verb: str) -> None:
    (tmp_path / "home").write_text("mine")
    at(tmp_path / "home")
    said = command(verb)
    assert said.status == 1
    assert str(tmp_path / "home") in said.complaint
    assert (tmp_path / "home").read_text() == "mine"


@pytest.mark.parametrize(
    "arguments", [["status"], ["sql", "select 1"], ["verify"], ["quarantine"], ["rebuild"]], ids=str
)
def test_a_home_that_cannot_be_read(
    tmp_path: Path, at: Callable[..., Home], command: Command, arguments: list[str]
) -> None:
    # Longer than any file system takes: no mode stops root from reading.
    home = at(tmp_path / ("h" * 300))
    said = command(*arguments)
    assert (said.status, said.out) == (1, "")
    assert str(home.root) in said.complaint


@pytest.mark.slow
def test_a_reader_that_has_seen_enough(published: Shell) -> None:
    program = [sys.executable, "-m", "pipelines.cli", "sql", "--format", "json", "select * from range(100000)"]
    environment_ = os.environ | environment(published.home.root, DEAD_URL)
    with subprocess.Popen(program, env=environment_, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, b"")


WRONG_USE = {
    "no such verb": (["fetch"], "fetch"),
    "no such option": (["ingest", "--fast"], "--fast"),
    "no such format": (["sql", "select 1", "--format", "xml"], "xml"),
    "no number": (["sandbox", "--port", "http"], "http"),
    "an option without its value": (["ingest", "--category"], "--category"),
    "ids and filters": (["ingest", "--id", "a", "--category", "Sports"], "--id excludes --full"),
    "ids and everything": (["ingest", "--id", "a", "--full"], "--id excludes --full"),
    "everything and filters": (["ingest", "--full", "--type", "x"], "--full fetches every milestone"),
    "two queries": (["sql", "select 1", "select 2"], "select 2"),
    "fewer rows than none": (["sandbox", "--rows", "-1"], "--rows"),
    "no requests at all": (["sandbox", "--requests-per-second", "0"], "--requests-per-second"),
    "fewer changes than none": (["sandbox", "--changes", "-1"], "--changes"),
    "an empty id": (["ingest", "--id", ""], "--id is empty"),
    "an empty category": (["ingest", "--category", ""], "--category is empty"),
    "a blank type": (["ingest", "--type", " "], "--type is empty"),
    "a port beyond the last": (["ui", "--port", "99999"], "--port"),
    "raw JSON": (["sql", "select 1", "--raw", "--format", "json"], "--raw applies to CSV only"),
    "JSON as text in a table": (["sql", "select 1", "--json-as-text"], "--json-as-text applies to JSON only"),
    "all of CSV": (["sql", "select 1", "--all", "--format", "csv"], "--all applies to tables only"),
    "a comment alone that looks like an option": (["sql", "--comment"], "--comment"),
    "a list shorter than none": (["quarantine", "--limit", "-1"], "--limit"),
}


@pytest.mark.parametrize(("arguments", "says"), WRONG_USE.values(), ids=WRONG_USE)
def test_wrong_use(tmp_path: Path, at: Callable[..., Home], command: Command, arguments: list[str], says: str) -> None:
    at(tmp_path / "home")
    said = command(*arguments)
    assert said.status == 2
    assert says in said.complaint
    assert said.out == ""
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["yesterday", "", "9999-12-31T23:59:59-01:00"], ids=["a word", "empty", "beyond the last year in UTC"]
)
def test_a_time_that_is_none(tmp_path: Path, at: Callable[..., Home], command: Command, text: str) -> None:
    at(tmp_path)
    said = command("ingest", "--since", text)
    assert said.status == 2
    assert said.complaint == f"{text!r} is not a date or time: write 2026-11-23 or 2026-11-23T18:00:00Z"


NEEDS_PUBLISHED = {
    "status": ["status"],
    "status as JSON": ["status", "--json"],
    "sql": ["sql", "select 1"],
    "verify": ["verify"],
    "quarantine": ["quarantine"],
    "rebuild": ["rebuild"],
}


@pytest.mark.parametrize("arguments", NEEDS_PUBLISHED.values(), ids=NEEDS_PUBLISHED)
def test_nothing_there_yet(tmp_path: Path, at: Callable[..., Home], command: Command, arguments: list[str]) -> None:
    at(tmp_path)
    said = command(*arguments)
    assert said.status == 1
    assert said.complaint.endswith("run milestones ingest first")
    assert said.out == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["ingest", "rebuild"])
def test_another_run_holds_the_warehouse(
    published: Shell, at: Callable[..., Home], command: Command, verb: str
) -> None:
    home = at(published.home.root)
    before = tree(home.published)
    with writer_lock(home, purpose="the other run"):
        said = command(verb)
    assert said.status == 75
    assert f"process {os.getpid()} (the other run)" in said.complaint
    assert tree(home.published) == before


# SQL


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(
            query,
            id=name,
        )
        for name, query in {
            "syntax": "selec 1",
            "write": "copy (select 1) to 'stolen.csv'",
            "read a file": "select * from read_csv('/etc/passwd')",
            "attach": "attach 'other.duckdb'",
            "install": "install httpfs",
            "load": "load httpfs",
            "delete": "delete from milestones",
            "setting": "set enable_external_access = true",
        }.items()
    ],
)
def test_sql_that_fails_says_so_in_one_line(
    published: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at: Callable[..., Home],
    command: Command,
    query: str,
) -> None:
    home = at(published.home.root)
    monkeypatch.chdir(tmp_path)
    before = tree(home.published)
    said = command("sql", query)
    assert (said.status, said.out) == (1, "")
    assert list(tmp_path.iterdir()) == []
    assert tree(home.published) == before
    assert "root:" not in said.err
    assert "Error" in said.complaint


TITLE = f"select title from milestones where milestone_id = '{milestone_id(99)}'"


def test_sql_as_json(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    said = command(
        "sql", f"select title, start_date from milestones where milestone_id = '{milestone_id(99)}'", "--format", "json"
    )
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out) == [{"title": HOSTILE, "start_date": "2026-11-30T13:39:00Z"}]


@pytest.mark.parametrize(
    ("style", "out"),
    [
        ("json", '[\n  {\n    "m": {\n      "2026-01-02": [\n        null,\n        "é"\n      ]\n    }\n  }\n]\n'),
        ("csv", 'm\n"{2026-01-02=[NULL, é]}"\n'),
        ("markdown", "| m |\n| --- |\n| {2026-01-02=[NULL, é]} |\n"),
    ],
)
def test_sql_shows_what_is_nested(
    published: Shell, at: Callable[..., Home], command: Command, style: str, out: str
) -> None:
    at(published.home.root)
    said = command("sql", "select map {date '2026-01-02': [null, 'é']} as m", "--format", style)
    assert (said.status, said.out, said.err) == (0, out, "")


def test_sql_as_csv(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    said = command("sql", TITLE, "--format", "csv")
    assert list(csv.reader(io.StringIO(said.out))) == [["title"], [f"'{HOSTILE}"]]


def test_sql_as_markdown_and_table(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    assert command("sql", TITLE, "--format", "markdown").out == "| title |\n| --- |\n| =1+1\\|\\x1b[31m |\n"
    table = command("sql", TITLE)
    assert table.out.splitlines()[2:] == ["=1+1|\\x1b[31m", "1 row"]


COMMENTED = {
    "a comment first": "-- what there is\nselect 1 as a",
    "a comment without a blank": "--what there is\nselect 1 as a",
    "a block": "/* what; there is */ select 1 as a;",
    "comments around": "select 1 as a; -- done;\n-- really",
}


@pytest.mark.parametrize("query", COMMENTED.values(), ids=COMMENTED)
def test_sql_with_comments(published: Shell, at: Callable[..., Home], command: Command, query: str) -> None:
    at(published.home.root)
    said = command("sql", query, "--format", "csv")
    assert (said.status, said.out, said.err) == (0, "a\n1\n", "")


def test_sql_of_comments_alone(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    assert command("sql", "-- nothing to ask") == Said(0, "", "")
    assert command("sql", " ").status == 1


def test_several_statements(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    said = command("sql", "select 1 as a; set variable x = 3; select getvariable('x') as b", "--format", "csv")
    assert (said.status, said.out, said.err) == (0, "a\n1\nb\n3\n", "")


@pytest.mark.parametrize("bad", ["selec 2", "from nowhere", "select 'x'::int"])
@pytest.mark.parametrize("is_piped", [False, True], ids=["argument", "pipe"])
def test_a_statement_that_fails_ends_it(
    published: Shell,
    at: Callable[..., Home],
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    bad: str,
    *,
    is_piped: bool,
) -> None:
    at(published.home.root)
    text = f"select 1 as a; {bad}; select 3 as c"
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    said = command("sql", "--format", "csv", *([] if is_piped else [text]))
    assert (said.status, said.out.splitlines()[:2]) == (1, ["a", "1"])
    assert "c" not in said.out.splitlines()
    assert said.complaint


def test_a_file_that_is_out_of_reach_leads_to_the_recipe(
    published: Shell, at: Callable[..., Home], command: Command
) -> None:
    at(published.home.root)
    for query in ("from 'mine.parquet'", "from read_csv('mine.csv')", "copy milestones to 'x'", "attach 'x.duckdb'"):
        assert "docs/other-tools.md" in command("sql", query).complaint, query
    assert "docs/other-tools.md" not in command("sql", "delete from milestones").complaint


@pytest.mark.slow
def test_a_table_in_a_pipe_is_whole(published: Shell) -> None:
    variables = os.environ | environment(published.home.root, DEAD_URL) | {"COLUMNS": "80", "FORCE_COLOR": "1"}
    said = process(["sql", "select * from milestones"], variables)
    text = re.sub(r"\x1b\[[0-9;]*m", "", said.out)
    assert text.splitlines()[-1] == "99 rows"
    assert "vanished_at" in text
    assert "…" not in text


def test_sql_prompt(
    published: Shell, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(published.home.root)
    monkeypatch.setattr("sys.stdin", io.StringIO("select 1 as a;\n"))
    said = command("sql", "--format", "csv")
    assert (said.status, said.out) == (0, "a\n1\n")


# The other verbs


def test_status(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    said = command("status")
    assert (said.status, said.err) == (0, "")
    assert str(published.home.published_duckdb) in said.out
    assert "1 x Expected `str | null`, got `int` (title)" in said.out
    found = json.loads(command("status", "--json").out)
    assert found["rows"]["milestones"] == 99
    assert found["sweeps"][0]["mode"] == "full"
    assert found["unpublished"] is None


def test_verify(published: Shell, at: Callable[..., Home], command: Command) -> None:
    home = at(published.home.root)
    said = command("verify")
    assert said.status == 0
    assert re.fullmatch(r"snapshot 00000\d-\S+: \d+ files, [\d,]+ bytes, all as published\n", said.out)
    entry = Manifest.read(home.latest_snapshot).files[0]
    file = home.published / entry.path
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        said = command("verify")
    finally:
        file.write_bytes(good)
    assert (said.status, said.out) == (1, "")
    assert said.complaint == f"{file} differs from its manifest"


def test_quarantine(published: Shell, at: Callable[..., Home], command: Command) -> None:
    at(published.home.root)
    (row,) = json.loads(command("quarantine", "--format", "json").out)
    assert (row["milestone_id"], row["reason"], row["field"]) == (
        milestone_id(100),
        "Expected `str | null`, got `int`",
        "title",
    )
    assert command("quarantine", "--limit", "0", "--format", "json").out == "[]\n"


@pytest.mark.slow
def test_rebuild(published: Shell, at: Callable[..., Home], command: Command) -> None:
    home = at(published.home.root)
    said = command("rebuild")
    assert (said.status, said.err) == (0, "")
    assert re.search(r"^\s+99  milestones$", said.out, re.MULTILINE)
    assert f"published as {home.latest_snapshot.resolve()}" in said.out


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("rebuild",), ("ingest", "--full")], ids=" ".join)
def test_want_of_room_is_one_line(
    published: Shell, tmp_path: Path, at: Callable[..., Home], command: Command, arguments: tuple[str, ...]
) -> None:
    root = Path(shutil.copytree(published.home.root, tmp_path / "home", symlinks=True))
    home = at(root, published.base_url)
    before = tree(home.published)
    with files_of_at_most(1_000_000):
        said = command(*arguments)
    assert said.status == 1
    assert said.err.splitlines()[-1] == (
        f"milestones: no space left for {root}: free disk space, then run again (published files are intact)"
    )
    assert "Traceback" not in said.err
    assert tree(home.published) == before


def test_a_home_that_cannot_be_written_is_not_rebuilt(
    published: Shell, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    root = Path(shutil.copytree(published.home.root, tmp_path / "home", symlinks=True))
    (root / ".preflight").mkdir()
    at(root)
    said = command("rebuild")
    assert (said.status, said.complaint.partition(" (")[0]) == (1, f"cannot write to {root}")


def test_a_sandbox_without_records(tmp_path: Path, command: Command) -> None:
    said = command("sandbox", "--records", str(tmp_path))
    assert (said.status, said.complaint) == (2, f"no milestone in the JSON files of {tmp_path}")
    said = command("sandbox", "--records", str(tmp_path / "gone"))
    assert said.status == 2
    assert "gone" in said.complaint


@pytest.mark.slow
def test_a_sandbox_in_a_process_of_its_own() -> None:
    program = [sys.executable, "-m", "pipelines.cli", "sandbox", "--rows", "3", "--port", "0"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=PROJECT_ROOT
    ) as server:
        assert server.stdout is not None
        try:
            said = re.match(r"the sandbox serves (http://127\.0\.0\.1:\d+/trade-api/v2)\n", server.stdout.readline())
            assert said
            with KalshiClient(said[1], requests_per_second=0) as api:
                assert api.list_page(MilestoneQuery()).records == 3
        finally:
            server.send_signal(signal.SIGINT)
            _, err = server.communicate(timeout=30)
    assert server.returncode in (0, 130)
    assert err == ""


def test_where_the_demo_is(
    published: Shell, tmp_path: Path, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    at(tmp_path / "home")
    assert "the demo's data" not in command("status").complaint
    shutil.copytree(published.home.published, tmp_path / "data" / "demo" / "published", symlinks=True)
    said = command("status")
    assert "(to use the demo's data: export MILESTONES_HOME=data/demo): run milestones ingest first" in said.complaint
    at(Path("data/demo"))
    assert command("status").status == 0


def test_the_version(command: Command) -> None:
    assert command("--version").out == f"{importlib.metadata.version('kalshi-milestones')}\n"


# Help and README


def verbs() -> list[str]:
    return sorted(name for name in app if not name.startswith("-"))


def test_help_names_every_verb(command: Command) -> None:
    said = command("--help")
    assert said.status == 0
    assert verbs() == sorted(
        ["demo", "export", "ingest", "quarantine", "rebuild", "sandbox", "sql", "status", "ui", "verify"]
        + [name for name in ("backup", "restore", "dashboard", "diff", "doctor") if name in verbs()]
    )
    for verb in verbs():
        assert re.search(rf"^\W*{verb}\s+\w", said.out, re.MULTILINE), verb


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_is_documented(command: Command, verb: str) -> None:
    assert f"`milestones {verb}" in README
    said = command(verb, "--help")
    assert said.status == 0
    (row,) = (line for line in README.splitlines() if re.match(rf"\| `milestones {verb}( \[QUERY\])?` \|", line))
    for option in set(re.findall(r"--[a-z-]+", said.out)) - {"--help", "--version"}:
        assert f"`{option}" in row, f"{option} of {verb} is missing in README.md"


def test_every_documented_option_exists(command: Command) -> None:
    for line in README.splitlines():
        if match := re.match(r"\| `milestones ([a-z ]+?)(?: \[QUERY\])?` \|", line):
            helped = command(*shlex.split(match[1]), "--help").out
            for option in re.findall(r"`(--[a-z-]+)", line):
                assert option in helped, line


LOADED = """
import sys
from pipelines.cli.main import run
status = run(sys.argv[1:])
heavy = ("dagster", "pandera", "pyarrow", "requests", "duckdb", "rich.markdown")
print(status, *(name for name in heavy if name in sys.modules), file=sys.stderr)
"""
"""Every one of these takes longer to load than most queries take to answer."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "needed"),
    [(["--help"], []), (["sql", "select 1"], ["duckdb"]), (["status"], ["duckdb"])],
    ids=["help", "sql", "status"],
)
def test_what_only_asks_loads_no_more_than_it_needs(
    published: Shell, at: Callable[..., Home], arguments: list[str], needed: list[str]
) -> None:
    at(published.home.root)
    done = subprocess.run([sys.executable, "-c", LOADED, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.split() == ["0", *needed]


def test_a_message_that_quotes_data_passes_for_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("a field called x\nmilestones: all is well\x1b[2K\u202e")
    assert capsys.readouterr().err == "milestones: a field called x\n  milestones: all is well\\x1b[2K\\u202e\n"


# A lost or damaged warehouse


@pytest.mark.slow
def test_a_lost_warehouse_and_its_way_back(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    home = at(tmp_path, shell.base_url)
    assert command("ingest").status == 0
    home.warehouse_file.unlink()
    for arguments in (["ingest"], ["rebuild"], ["quarantine", "retry"]):
        lost = command(*arguments)
        assert (lost.status, "milestones restore" in lost.complaint) == (1, True), arguments
        assert not home.warehouse_file.exists()
    restored = command("restore")
    assert restored.status == 0
    assert f"{home.warehouse_file} was recreated from {home.published_duckdb}" in restored.out
    assert command("ingest", "--json").status == 0
    assert rows_of(home.warehouse_file, "SELECT count(*) FROM milestone_versions") == [(2,)]
    again = command("restore")
    assert (again.status, "nothing to restore" in again.complaint) == (2, True)


@pytest.mark.slow
def test_starting_anew(shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    home = at(tmp_path, shell.base_url)
    assert command("ingest").status == 0
    home.warehouse_file.unlink()
    assert command("ingest", "--start-anew").status == 0
    assert rows_of(home.warehouse_file, "SELECT mode, new FROM sweeps") == [("full", 2)]


@pytest.mark.slow
def test_a_damaged_warehouse_is_one_line(
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
    assert "milestones restore" in failed.complaint
    assert command("verify").status == 0
    assert command("restore").status == 0
    assert command("ingest").status == 0


def test_what_duckdb_cannot_read_or_write_is_one_line(published: Shell, at: Callable[..., Home]) -> None:
    """A disk that fails: DuckDB raises errors that are no OSError."""
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
