"""`milestones ingest`: a sweep from the API to the published tables, and every way in which it fails early."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from pipelines.cli import progress
from pipelines.cli.progress import PlainProgress
from pipelines.storage.home import Home
from sandbox.app import build_app
from sandbox.habits import Habits
from schemas.endpoints import PUBLISHED_TABLES
from tests.cli.commands import Command, environment, process
from tests.support import Shells, milestone, milestone_id, rows_of


@pytest.mark.slow
def test_a_full_sweep_then_a_sweep_by_id(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    home = at(tmp_path, shell.base_url)
    first = command("ingest", "--json")
    assert first.status == 0, first.err
    outcome = json.loads(first.out)
    assert outcome.keys() == {"sweep", "archived", "not_found", "other_competitions", "endpoints", "rows", "files"}
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
def test_only_a_terminal_is_told_the_pages_of_the_last_full_sweep(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(tmp_path, shells(tmp_path, [milestone(1)]).base_url)
    expected: list[int | None] = []

    def noted(console: Console, *, expected_pages: int | None) -> PlainProgress:
        expected.append(expected_pages)
        return PlainProgress(console)

    monkeypatch.setattr(progress, "progress_for", noted)
    for _ in range(2):
        assert command("ingest", "--full").status == 0
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert command("ingest", "--full").status == 0
    assert expected == [None, None, 2]


def tree_of_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
def test_ingest_and_sql_as_processes(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", [milestone(1)])
    variables = os.environ | environment(tmp_path / "home", shell.base_url)
    outside = tree_of_names(tmp_path)
    ingest = process(["ingest"], variables, cwd=tmp_path)
    assert ingest.status == 0, ingest.err
    assert "1 new, 0 changed; 0 unchanged, 1 superseded" in ingest.out or "1 new, 0 changed" in ingest.out
    assert "Traceback" not in ingest.err
    assert tree_of_names(tmp_path) - outside == {"home"}, "everything is written below the home"
    sql = process(["sql", "select title from milestones", "--format", "csv"], variables, cwd=tmp_path)
    assert (sql.status, sql.out, sql.err) == (0, "title\nGame 1\n", "")


@pytest.mark.slow
def test_a_filtered_sweep_without_milestones_is_explained(
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


@pytest.mark.slow
def test_a_competition_may_be_a_code_that_details_spell_otherwise(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    rows = [
        milestone(1, type="soccer_tournament_multi_leg", details={"league": "Premier League"}),
        milestone(2, type="soccer_tournament_multi_leg", details={"league": "Serie A"}),
        milestone(3, type="basketball_game", details={"league": "NBA"}),
    ]
    shell = shells(tmp_path, rows)
    at(tmp_path, shell.base_url)
    shells.serve(build_app(shell.world, habits=Habits(competition_codes={"EPL": "Premier League"})))
    code = command("ingest", "--competition", "EPL", "--json")
    outcome = json.loads(code.out)
    assert (code.status, outcome["sweep"]["new"], outcome["other_competitions"]) == (0, 1, ["Premier League"])
    assert code.err.splitlines()[-1] == (
        "milestones: for the competition EPL the API returned milestones of Premier League; they are stored: "
        "if you mean others, use --type or --event"
    )
    shells.serve(build_app(shell.world, habits=Habits(ignores=frozenset({"competition"}))))
    ignored = command("ingest", "--competition", "EPL")
    assert ignored.status == 1
    assert "the API ignored the filter competition=EPL" in ignored.err


class Html(http.server.BaseHTTPRequestHandler):
    """Responds with a web page to every request."""

    def do_GET(self) -> None:
        body = b"<html>\n<title>Down for maintenance\x1b[31m</title></html>"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@contextlib.contextmanager
def web_page() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Html) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/trade-api/v2"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_an_unreachable_api_fails(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    at(tmp_path, KALSHI_DEADLINE_SECONDS="0.3")
    outcome = command("ingest")
    assert outcome.status == 1
    assert "http://127.0.0.1:9/trade-api/v2/milestones within 0.3 s" in outcome.error_line
    assert outcome.out == ""
    assert not Home(tmp_path).published_duckdb.exists()


@pytest.mark.slow
def test_a_web_page_instead_of_the_api_fails(tmp_path: Path, at: Callable[..., Home], command: Command) -> None:
    with web_page() as url:
        at(tmp_path, url, KALSHI_DEADLINE_SECONDS="0.3")
        outcome = command("ingest")
    assert outcome.status == 1
    assert "did not answer like the API" in outcome.error_line
    assert "Down for maintenance\\x1b" in outcome.error_line
    assert "check KALSHI_BASE_URL" in outcome.error_line


@pytest.mark.slow
def test_a_wrong_path_of_the_api_fails(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    at(tmp_path, shells(tmp_path).base_url.replace("v2", "v9"))
    outcome = command("ingest")
    assert outcome.status == 1
    assert "nothing found" in outcome.error_line
    assert "check the path of KALSHI_BASE_URL" in outcome.error_line


INVALID_SETTINGS: dict[str, tuple[dict[str, str], int, str]] = {
    "scheme": ({"KALSHI_BASE_URL": "ftp://example.com"}, 1, "cannot use the base URL ftp://example.com"),
    "plain http": ({"KALSHI_BASE_URL": "http://example.com/v2"}, 1, "cannot use the base URL"),
    "password": ({"KALSHI_BASE_URL": "https://me:s3cret@example.com"}, 1, "cannot use the base URL"),
    "pacing": ({"KALSHI_REQUESTS_PER_SECOND": "fast"}, 2, "KALSHI_REQUESTS_PER_SECOND is 'fast'"),
    "overlap": ({"KALSHI_OVERLAP_SECONDS": "5 minutes"}, 2, "KALSHI_OVERLAP_SECONDS is '5 minutes'"),
    "proxy": ({"KALSHI_PROXY": "socks5://me:s3cret@proxy"}, 2, "KALSHI_PROXY cannot be used (only http and https"),
    "CA bundle": (
        {"KALSHI_CA_BUNDLE": "/nowhere.pem"},
        2,
        "KALSHI_CA_BUNDLE cannot be used (/nowhere.pem: No such file",
    ),
    "deadline": ({"KALSHI_DEADLINE_SECONDS": "-1"}, 2, "KALSHI_DEADLINE_SECONDS is '-1'"),
    "page limit": ({"KALSHI_PAGE_LIMIT": "501"}, 2, "KALSHI_PAGE_LIMIT is '501'"),
}


@pytest.mark.parametrize(("variables", "status", "message"), INVALID_SETTINGS.values(), ids=INVALID_SETTINGS)
def test_an_invalid_setting_fails_before_anything_is_written(
    tmp_path: Path, at: Callable[..., Home], command: Command, variables: dict[str, str], status: int, message: str
) -> None:
    at(tmp_path / "home", **variables)
    outcome = command("ingest")
    assert outcome.status == status
    assert message in outcome.error_line
    assert "s3cret" not in outcome.err
    assert not (tmp_path / "home").exists(), "nothing is written before the settings are checked"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["yesterday", "", "9999-12-31T23:59:59-01:00"], ids=["word", "empty", "after the last year in UTC"]
)
def test_an_invalid_time_is_wrong_use(tmp_path: Path, at: Callable[..., Home], command: Command, text: str) -> None:
    at(tmp_path)
    outcome = command("ingest", "--since", text)
    assert outcome.status == 2
    assert outcome.error_line == f"{text!r} is not a date or time: write 2026-11-23 or 2026-11-23T18:00:00Z"


@pytest.mark.slow
def test_start_anew_replaces_a_lost_warehouse(
    shells: Shells, tmp_path: Path, at: Callable[..., Home], command: Command
) -> None:
    shell = shells(tmp_path, [milestone(1), milestone(2)])
    home = at(tmp_path, shell.base_url)
    assert command("ingest").status == 0
    home.warehouse_file.unlink()
    assert command("ingest", "--start-anew").status == 0
    assert rows_of(home.warehouse_file, "SELECT mode, new FROM sweeps") == [("full", 2)]
