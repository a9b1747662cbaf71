"""The home folder: disk, permissions, the lock, interrupted sweeps. Nothing is written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.doctor.home import check_home, check_lock, check_sweeps, disk_finding
from pipelines.storage.home import Home
from pipelines.storage.landing import MAX_AGE_TO_RESUME, Filters, Landing
from pipelines.storage.lock import endpoint_lock, writer_lock
from tests.support import NOON

USED = {"raw": 10, "warehouse": 1_000_000_000, "published_duckdb": 500_000_000}


@pytest.mark.parametrize(
    ("free", "level", "text"),
    [
        (50_000_000_000, "ok", "50.0 GB free, 1.5 GB used by /home"),
        (1_400_000_000, "warning", "1.4 GB free"),
        (100_000_000, "error", "100.0 MB free"),
    ],
)
def test_free_space_against_the_size_of_the_home(free: int, level: str, text: str) -> None:
    found = disk_finding(Path("/home"), free, USED)
    assert (found.level, text in found.text, bool(found.advice)) == (level, True, level != "ok")


def test_a_home_that_does_not_exist_yet(tmp_path: Path) -> None:
    (found,) = check_home(Home(tmp_path / "a" / "b"))
    assert (found.level, "does not exist yet" in found.text) == ("ok", True)
    assert list(tmp_path.iterdir()) == []


def test_a_home_below_a_file_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (found,) = check_home(Home(tmp_path / "file" / "home"))
    assert (found.level, "cannot be created" in found.text) == ("error", True)


def test_a_file_in_the_place_of_a_folder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.raw.touch()
    (found,) = check_home(home)
    assert (found.level, found.text) == ("error", f"{home.raw} is not a folder")


def test_a_writable_home(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.preflight()
    (found,) = check_home(home)
    assert (found.level, found.text) == ("ok", f"{tmp_path} is writable")


def test_the_holder_of_the_lock_and_since_when(tmp_path: Path) -> None:
    home = Home(tmp_path)
    now = datetime.now(UTC)
    (free,) = check_lock(home, now=now)
    assert (free.level, free.text) == ("ok", "free")
    with writer_lock(home, purpose="a test"):
        (held,) = check_lock(home, now=now + timedelta(minutes=5))
        (long,) = check_lock(home, now=now + timedelta(hours=3))
    assert (held.level, "(a test) for 5 minutes" in held.text) == ("ok", True)
    assert (long.level, "(a test) for 3 hours" in long.text) == ("warning", True)


def landed(raw: Path, **state: Any) -> str:
    landing = Landing.begin(raw, mode="full", filters=Filters(), ids=[], now=NOON)
    for name, value in state.items():
        setattr(landing.sweep, name, value)
    landing.save()
    return landing.sweep.sweep_id


UNFINISHED: dict[str, tuple[dict[str, Any], timedelta, str, str]] = {
    "interrupted": ({}, timedelta(minutes=1), "of milestones stopped after page 0", "milestones ingest resumes it"),
    "with filters": (
        {"mode": "partial", "filters": Filters(competition="La Liga", minimum_start_date=NOON)},
        timedelta(minutes=1),
        "partial sweep",
        "milestones ingest --since 2026-11-23T12:00:00Z --competition 'La Liga' resumes it",
    ),
    "by id": ({"mode": "by_id", "ids": ["x"]}, timedelta(minutes=1), "did not end", "begins a new one"),
    "too old": ({}, MAX_AGE_TO_RESUME * 2, "of milestones did not end", "begins a new one"),
    "failed": (
        {"state": "failed", "error": "it broke", "is_resumable": False},
        timedelta(minutes=1),
        "did not end: it broke",
        "begins a new one",
    ),
    "not loaded": ({"state": "landed", "landed_at": NOON}, timedelta(minutes=1), "was fetched and not loaded", "run "),
}


@pytest.mark.parametrize(("state", "age", "text", "advice"), UNFINISHED.values(), ids=UNFINISHED)
def test_a_sweep_that_did_not_end(
    tmp_path: Path, state: dict[str, Any], age: timedelta, text: str, advice: str
) -> None:
    home = Home(tmp_path)
    sweep_id = landed(home.raw, **state)
    (found,) = check_sweeps(home, now=NOON + age)
    assert (found.level, text in found.text, advice in found.advice) == ("warning", True, True)
    assert sweep_id in found.text


def test_a_sweep_that_is_running_was_not_interrupted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    landed(home.raw)
    landed(home.raw_of("events"))
    with writer_lock(home, purpose="a sweep"), endpoint_lock(home, "events", purpose="a refresh"):
        (found,) = check_sweeps(home, now=NOON)
    assert (found.level, found.text) == ("ok", "running: milestones, events")
    assert [one.advice for one in check_sweeps(home, now=NOON)] == [
        "milestones ingest resumes it",
        "milestones ingest --only events resumes it",
    ]


def test_leftovers_are_counted(tmp_path: Path) -> None:
    home = Home(tmp_path)
    landed(home.raw, state="loaded")
    (home.raw / "page.tmp-1").touch()
    first, second = check_sweeps(home, now=NOON)
    assert (first.text, second.name, second.level) == ("none was interrupted", "leftovers", "ok")
    assert "1 temporary file of killed runs" in second.text
