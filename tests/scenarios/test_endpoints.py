"""Endpoints from end to end: a sandbox over HTTP, the command line, Dagster, recorded responses."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest

import sandbox
from pipelines.cli.main import run
from pipelines.orchestration.run_history import PROCESS_TAG, open_history
from pipelines.records.decode import Record, decode_page
from pipelines.storage.home import Home
from sandbox.app import build_app
from sandbox.generate import generate_bodies
from sandbox.obstacles import Faults
from sandbox.world import World
from schemas.events import EVENTS
from schemas.live_data import LIVE_ENDPOINT
from schemas.targets import TARGETS
from tests.support import rows_of

pytestmark = pytest.mark.slow

ROWS = 400


@dataclass
class Served:
    """A sandbox of the present time, and a home whose environment reads it."""

    world: World
    home: Home
    faults: Faults

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return rows_of(self.home.published_duckdb, query)


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    def now() -> datetime:
        return datetime.now(UTC)

    world = World(generate_bodies(ROWS, 1, now()), now=now)
    home = Home(tmp_path / "home")
    faults = Faults(path="/structured_targets")
    with sandbox.running(build_app(world, faults=faults)) as api:
        values = {
            "MILESTONES_HOME": str(home.root),
            "KALSHI_BASE_URL": api.base_url,
            "KALSHI_REQUESTS_PER_SECOND": "0",
            "DAGSTER_HOME": str(home.dagster),
            "MILESTONES_ENDPOINTS": "",
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        yield Served(world, home, faults)


def test_ingest_brings_the_names_behind_the_ids(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    by_name = {row["endpoint"]: row for row in summary["endpoints"]}
    assert set(by_name) == {"targets", "events", "series"}
    assert all(row["status"] == "loaded" for row in summary["endpoints"])
    # Every id is either known or counted as unknown.
    assert served.rows(
        "SELECT count(*) FROM (SELECT DISTINCT entity_id AS key FROM milestone_entities) AS named "
        "ANTI JOIN (SELECT target_id AS key FROM structured_targets) AS known USING (key) "
        "ANTI JOIN (SELECT key FROM unknown_keys WHERE endpoint = 'targets') AS unknown USING (key)",
    ) == [(0,)]
    named, titled = served.rows(
        "SELECT count(*) FROM milestone_entities "
        "SEMI JOIN structured_targets ON target_id = entity_id AND name <> '' "
        "UNION ALL SELECT count(*) FROM milestone_events SEMI JOIN events USING (event_ticker)",
    )
    assert named[0] > 100
    assert titled[0] > ROWS / 2
    # Nothing is unknown now.
    assert run(["ingest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["endpoints"] == []
    target_id = served.rows("SELECT entity_id FROM milestone_entities WHERE entity_id IN "
                        "(SELECT target_id FROM structured_targets) LIMIT 1")[0][0]  # fmt: skip
    served.world.rename_target(target_id, "A's")
    ticker = served.rows("SELECT event_ticker FROM events LIMIT 1")[0][0]
    served.world.retitle_event(ticker, "Another title")
    assert run(["ingest", "--only", "events", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["endpoints"]
    assert (row["mode"], row["changed"]) == ("incremental", 1)
    query = f"SELECT title FROM events WHERE event_ticker = '{ticker}'"
    assert served.rows(query) == [("Another title",)]


def test_a_failing_endpoint_fails_no_sweep_of_milestones(
    served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KALSHI_DEADLINE_SECONDS", "2")
    served.faults.fail_after_pages = 0
    assert run(["ingest", "--json"]) == 0
    printed = capsys.readouterr()
    assert "the milestones are published, but the structured targets were not refreshed: " in printed.err
    assert [row["endpoint"] for row in json.loads(printed.out)["endpoints"]] == ["events", "series"]
    assert served.rows("SELECT count(*) > 0, (SELECT count(*) FROM structured_targets) FROM milestones") == [(True, 0)]
    assert run(["ingest", "--only", "targets"]) == 1
    assert "milestones: " in capsys.readouterr().err
    served.faults.fail_after_pages = None
    killed = _killed_refresh(served.home)
    assert run(["ingest", "--only", "targets"]) == 0
    assert "targets: " in capsys.readouterr().out
    with open_history(served.home) as instance:
        assert [
            one.run_id for one in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]), limit=1)
        ] == [killed]
    assert served.rows("SELECT status FROM endpoint_sweeps WHERE endpoint = 'targets' ORDER BY sweep_id") == [
        ("failed",),
        ("failed",),
        ("loaded",),
    ]
    assert run(["ingest", "--only", "targets"]) == 0
    assert capsys.readouterr().out == "targets: nothing to request\n"


@dg.job(name="targets_refresh")
def _refresh() -> None:
    """Does nothing: only its row in the history counts."""


def _killed_refresh(home: Home) -> str:
    """A run that is left as a killed process leaves it; its id."""
    with open_history(home) as instance, subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        tags = {PROCESS_TAG: str(process.pid)}
        return instance.create_run_for_job(_refresh, status=dg.DagsterRunStatus.STARTED, tags=tags).run_id


def test_only_takes_one_known_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ingest", "--only", "markets"]) == 2
    assert "--only markets is unknown: give one of milestones, targets, events, series, live" in capsys.readouterr().err
    assert run(["ingest", "--only", "live", "--full"]) == 2
    assert "--only live excludes the options that choose milestones" in capsys.readouterr().err


RECORDED = {
    "golden_structured_targets_list_response": TARGETS,
    "golden_events_list_response": EVENTS,
    "golden_live_data_batch_response": LIVE_ENDPOINT,
    "events_list__page_with_cursor.partial": EVENTS,
}


@pytest.mark.parametrize("name", RECORDED)
def test_every_field_of_recorded_records_is_kept(payloads: Path, name: str) -> None:
    endpoint = RECORDED[name]
    body = _response(payloads / f"{name}.json")
    records = decode_page(body, endpoint)
    sent = json.loads(body)[endpoint.page_key]
    assert len(records) == len(sent) > 0
    for record, original in zip(records, sent, strict=True):
        assert isinstance(record, Record)
        assert json.loads(record.text) == original


def test_a_recorded_null_list_is_an_empty_page(payloads: Path) -> None:
    assert decode_page(_response(payloads / "live_data_batch__comma_separated_ids.json"), LIVE_ENDPOINT) == []


def _response(file: Path) -> bytes:
    content = json.loads(file.read_bytes())
    return msgspec.json.encode(content.get("response", content))
