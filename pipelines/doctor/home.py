"""Checks of the home folder: disk, permissions, the writer's lock, what killed runs left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from pipelines.doctor.findings import Finding
from pipelines.storage.disk_usage import sizes
from pipelines.storage.home import HOME_VARIABLE, Home
from pipelines.storage.landing import MAX_AGE_TO_RESUME, Landing, Sweep
from pipelines.storage.leftovers import leftovers
from pipelines.storage.lock import inspecting
from pipelines.wording import counted, duration
from schemas.endpoints import ENDPOINTS, MILESTONES_ENDPOINT

MIN_FREE_BYTES = 200_000_000
"""Less than this fails a first full sweep, whose pages alone are larger."""

LONG_RUN = timedelta(hours=2)
"""Dagster ends a run after this time; a sweep takes minutes."""


def check_disk(home: Home) -> Iterator[Finding]:
    """The free space against what the home uses: a publish writes new files before it removes old ones."""
    yield disk_finding(home.root, shutil.disk_usage(_existing(home.root)).free, sizes(home))


def disk_finding(root: Path, free: int, used: dict[str, int]) -> Finding:
    """What the free bytes mean, given the bytes by part of the home."""
    needed = used["warehouse"] + used["published_duckdb"]
    text = f"{_size(free)} free, {_size(sum(used.values()))} used by {root}"
    if free < MIN_FREE_BYTES:
        return Finding("disk", "error", text, "free some space: the next run would fail")
    if free < needed:
        return Finding("disk", "warning", text, f"free some space: a rebuild or a publish may need {_size(needed)}")
    return Finding("disk", "ok", text)


def check_home(home: Home) -> Iterator[Finding]:
    """Whether this user can write everything that a run writes, without trying."""
    if not home.root.exists():
        parent = _existing(home.root)
        if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
            yield Finding("home", "ok", f"{home.root} does not exist yet; milestones ingest creates it")
        else:
            yield Finding("home", "error", f"{home.root} cannot be created in {parent}", f"set {HOME_VARIABLE}")
        return
    folders = [home.root, home.raw, home.warehouse, home.published, home.snapshots, home.dagster]
    wrong = [f"{one} is not a folder" for one in folders if one.exists() and not one.is_dir()]
    wrong += [f"{one} is not writable" for one in folders if one.is_dir() and not os.access(one, os.W_OK | os.X_OK)]
    files = (home.warehouse_file, home.lock_file, home.start_file, home.pace_file)
    wrong += [f"{one} is not writable" for one in files if one.exists() and not os.access(one, os.R_OK | os.W_OK)]
    if wrong:
        advice = f"change the owner to the user who runs the pipeline, or set {HOME_VARIABLE}"
        yield Finding("home", "error", "; ".join(wrong), advice)
    else:
        yield Finding("home", "ok", f"{home.root} is writable")


def check_lock(home: Home, *, now: datetime) -> Iterator[Finding]:
    """Who writes to the home, and since when."""
    with inspecting(home.lock_file) as holder:
        pass
    if holder is None:
        yield Finding("lock", "ok", "free")
        return
    age = now - holder.since
    text = f"held by {holder.description} for {duration(age)}"
    if age > LONG_RUN:
        yield Finding("lock", "warning", text, "a sweep takes minutes: look at that process")
    else:
        yield Finding("lock", "ok", text)


def check_sweeps(home: Home, *, now: datetime) -> Iterator[Finding]:
    """Sweeps that were interrupted or failed, and temporary files of killed runs."""
    with inspecting(home.lock_file) as writer:
        pass
    running = [] if writer is None else [MILESTONES_ENDPOINT.name]
    for endpoint in ENDPOINTS:
        with inspecting(home.endpoint_lock_file(endpoint.name)) as holder:
            running += [] if holder is None else [endpoint.name]
    raws = {MILESTONES_ENDPOINT.name: home.raw} | {one.name: home.raw_of(one.name) for one in ENDPOINTS}
    found: list[Finding] = []
    for name, raw in raws.items():
        landing = Landing.newest(raw)
        if landing is not None and name not in running:
            found += _unfinished(name, landing.sweep, landing.landed_pages, now)
    yield from found
    if not found:
        yield Finding("sweeps", "ok", f"running: {', '.join(running)}" if running else "none was interrupted")
    if writer is None and (temporary := list(leftovers(home))):
        yield Finding(
            "leftovers", "ok", f"{counted(len(temporary), 'temporary file')} of killed runs; the next run removes them"
        )


def _unfinished(name: str, sweep: Sweep, pages: int, now: datetime) -> Iterator[Finding]:
    command = "milestones ingest" if name == MILESTONES_ENDPOINT.name else f"milestones ingest --only {name}"
    what = f"{sweep.mode} sweep {sweep.sweep_id} of {name}"
    reason = f": {sweep.error}" if sweep.error else ""
    resuming = sweep.command_to_resume if now - sweep.started_at <= MAX_AGE_TO_RESUME else None
    if name == MILESTONES_ENDPOINT.name:
        command = resuming or command
    if sweep.is_interrupted and resuming is not None:
        yield Finding("sweeps", "warning", f"{what} stopped after page {pages}{reason}", f"{command} resumes it")
    elif sweep.state == "landed" and sweep.mode != "retry":
        yield Finding("sweeps", "warning", f"{what} was fetched and not loaded", f"run {command}")
    elif sweep.state in ("landing", "failed"):
        yield Finding("sweeps", "warning", f"{what} did not end{reason}", f"run {command}, which begins a new one")


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _size(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"
