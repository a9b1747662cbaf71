"""Interrupted sweeps: nothing landed is asked for again, and the outcome is that of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from starlette.applications import Starlette

import sandbox
from pipelines.kalshi.errors import ServerFault
from pipelines.storage.landing import Landing
from sandbox.app import build_app
from sandbox.generate import generate_bodies
from sandbox.obstacles import Faults
from sandbox.world import World
from schemas.api import PAGE_LIMIT
from tests.support import NOON, OUR_CLOCK, Shell, Shells, contents, rows_of

pytestmark = pytest.mark.slow

PAGES = 12
DIES_AFTER = 8
SECONDS_TO_END = 10
BODIES = list(generate_bodies(PAGES * PAGE_LIMIT, 5, NOON))
OF_THE_RUN = OUR_CLOCK | {"requests", "retries", "bytes", "record", "sweep_id", "first_sweep_id"}


@pytest.fixture
def shell(shells: Shells, tmp_path: Path) -> Shell:
    return shells(tmp_path / "home")


def asked(app: Starlette) -> int:
    return len(app.state.log)


def test_a_sweep_goes_on_after_the_api_was_lost(shells: Shells, shell: Shell) -> None:
    shell.world.load(BODIES)
    app = build_app(shell.world, faults=Faults(fail_after_pages=DIES_AFTER))
    shells.serve(app)
    with pytest.raises(ServerFault):
        shell.land(mode="full")
    interrupted = Landing.newest(shell.home.raw)
    assert interrupted is not None
    assert (interrupted.sweep.pages, interrupted.sweep.is_interrupted) == (DIES_AFTER, True)
    assert shell.rows("SELECT status, pages FROM sweeps") == [("failed", DIES_AFTER)]
    app = build_app(shell.world)
    shells.serve(app)
    shell.clock.forward(minutes=10)
    ledger = shell.sweep(mode="full")
    # What was missing, whether a list that ends with a full page ends there, and the catch-up.
    assert asked(app) == PAGES - DIES_AFTER + 1 + 1
    assert (ledger.sweep_id, ledger.pages, ledger.new) == (interrupted.sweep.sweep_id, PAGES + 1, len(BODIES))
    assert shell.rows("SELECT status, is_complete FROM sweeps") == [("loaded", True)]


def test_resumed_and_undisturbed_sweeps_end_alike(shells: Shells, tmp_path: Path) -> None:
    hashes = []
    for name, dies in (("whole", None), ("resumed", 3)):
        shell = shells(tmp_path / name)
        shell.world.load(BODIES[: 6 * PAGE_LIMIT])
        shells.serve(build_app(shell.world, faults=Faults(fail_after_pages=dies)))
        if dies:
            with pytest.raises(ServerFault):
                shell.land(mode="full")
            shells.serve(build_app(shell.world))
        shell.sweep(mode="full")
        hashes.append(contents(shell.home.warehouse_file, without=OF_THE_RUN))
    assert hashes[0] == hashes[1]


def test_what_was_landed_and_not_loaded_is_not_asked_for_again(shells: Shells, tmp_path: Path) -> None:
    """As after a kill while records or tables are staged: all the pages are there."""
    hashes = []
    for name, stages in (("undisturbed", 0), ("killed after landing", 1), ("killed after staging", 2)):
        shell = shells(tmp_path / name)
        shell.world.load(BODIES[: 6 * PAGE_LIMIT])
        app = build_app(shell.world)
        shells.serve(app)
        if stages:
            killed = shell.land(mode="full").sweep
        if stages > 1:
            shell.stage()
        before = asked(app)
        ledger = shell.sweep(mode="auto")
        if stages:
            assert (asked(app) - before, ledger.sweep_id, ledger.pages) == (0, killed.sweep_id, killed.pages)
        hashes.append(contents(shell.home.warehouse_file, without=OF_THE_RUN))
    assert hashes[0] == hashes[1] == hashes[2]


def test_a_poll_that_was_landed_and_not_loaded_is_made_anew(shells: Shells, shell: Shell) -> None:
    shell.world.load(BODIES[: 2 * PAGE_LIMIT])
    shell.sweep(mode="full")
    landed = shell.land(mode="auto")
    shell.clock.forward(minutes=5)
    app = build_app(shell.world)
    shells.serve(app)
    ledger = shell.sweep(mode="auto")
    assert (asked(app), ledger.mode, ledger.sweep_id > landed.sweep.sweep_id) == (1, "incremental", True)


def test_a_refused_cursor_costs_a_start_from_the_first_page(shells: Shells, shell: Shell) -> None:
    shell.world.load(BODIES[: 6 * PAGE_LIMIT])
    shells.serve(build_app(shell.world, faults=Faults(fail_after_pages=3)))
    with pytest.raises(ServerFault):
        shell.land(mode="full")
    # A cursor that the API does not know any more.
    folder = Landing.newest(shell.home.raw)
    assert folder is not None
    last = list(folder.pages())[-1]
    folder.land(type(last)(last.number, last.path, last.cursor, "no-cursor", last.fetched_at, last.records, last.body))
    app = build_app(shell.world)
    shells.serve(app)
    ledger = shell.sweep(mode="full")
    assert asked(app) == 1 + 6 + 1 + 1
    assert (ledger.new, ledger.superseded >= 3 * PAGE_LIMIT) == (6 * PAGE_LIMIT, True)


def test_auto_takes_up_a_full_sweep_that_was_begun(shells: Shells, shell: Shell) -> None:
    shell.world.load(BODIES[: 3 * PAGE_LIMIT])
    shell.sweep(mode="full")
    shells.serve(build_app(shell.world, faults=Faults(fail_after_pages=2)))
    with pytest.raises(ServerFault):
        shell.land(mode="full")
    shells.serve(build_app(shell.world))
    assert shell.sweep(mode="auto").mode == "full"
    assert shell.sweep(mode="auto").mode == "incremental"


@pytest.mark.parametrize("request_", [{"mode": "full"}, {"category": "Sports"}], ids=["too old", "another question"])
def test_what_is_not_the_same_sweep_begins_anew(shells: Shells, shell: Shell, request_: dict[str, str]) -> None:
    shell.world.load(BODIES[: 3 * PAGE_LIMIT])
    shells.serve(build_app(shell.world, faults=Faults(fail_after_pages=2)))
    with pytest.raises(ServerFault):
        shell.land(mode="full")
    shell.clock.forward(hours=7)
    shells.serve(build_app(shell.world))
    assert shell.land(**request_).sweep.sweep_id.startswith("000002-")


def test_a_sweep_that_was_refused_is_not_taken_up(shell: Shell) -> None:
    with pytest.raises(Exception, match="allow-shrink"):
        shell.land(mode="full")
    newest = Landing.newest(shell.home.raw)
    assert newest is not None
    assert not newest.sweep.is_interrupted


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupted_command_ends_soon_and_says_that_it_goes_on(how: signal.Signals, tmp_path: Path) -> None:
    world = World([], now=lambda: NOON)
    world.load(BODIES[: 12 * PAGE_LIMIT])
    app = build_app(world, latency_seconds=0.5)
    with sandbox.running(app) as api:
        environment = os.environ | {
            "KALSHI_BASE_URL": api.base_url,
            "KALSHI_REQUESTS_PER_SECOND": "0",
            "MILESTONES_HOME": str(tmp_path),
        }
        command = [sys.executable, "-m", "pipelines.cli", "ingest"]
        process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        while asked(app) < 3:
            assert process.poll() is None
            time.sleep(0.02)
        begun = time.monotonic()
        process.send_signal(how)
        _, errors = process.communicate(timeout=SECONDS_TO_END)
        assert time.monotonic() - begun < SECONDS_TO_END
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        assert errors.splitlines()[-1].endswith("the next milestones ingest resumes there")
        landed = len(list(tmp_path.glob("raw/*/page-*.parquet")))
        assert landed >= 1
    prompt = build_app(world)
    with sandbox.running(prompt, port=api.port):
        subprocess.run(command, env=environment, check=True, capture_output=True)
    assert asked(prompt) == 12 - landed + 1 + 1
    assert rows_of(tmp_path / "published" / "milestones.duckdb", "SELECT count(*) FROM milestones") == [(6_000,)]
