"""The warehouse and the published files: present, openable, of a known schema, and how old."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.doctor.data import check_published, check_warehouse
from pipelines.doctor.findings import run_checks
from pipelines.errors import WarehouseLost
from pipelines.storage.home import Home
from pipelines.storage.lock import writer_lock
from schemas.tables import SCHEMA_VERSION
from tests.support import NOON, Shell, Shells, milestone, tree

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    shell = shells(tmp_path_factory.mktemp("published"), [milestone(1), milestone(2)])
    shell.sweep()
    shell.stages.publish()
    return shell


@pytest.fixture
def home(published: Shell, tmp_path: Path) -> Home:
    """A copy to damage."""
    shutil.copytree(published.home.root, tmp_path / "home", symlinks=True)
    return Home(tmp_path / "home")


def change(file: Path, statement: str) -> None:
    with duckdb.connect(str(file)) as connection:
        connection.execute(statement)


def test_all_is_well(published: Shell) -> None:
    before = tree(published.home.root)
    (warehouse,) = check_warehouse(published.home)
    assert (warehouse.level, warehouse.text) == ("ok", f"schema version {SCHEMA_VERSION}, 1 loaded sweep")
    found = list(check_published(published.home, now=published.clock()))
    assert [(one.name, one.level) for one in found] == [("published", "ok"), ("snapshot", "ok"), ("age", "ok")]
    assert found[0].text == f"2 milestones, schema version {SCHEMA_VERSION}"
    assert found[1].text == published.home.latest_snapshot.readlink().name
    assert tree(published.home.root) == before


def test_nothing_yet(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    (warehouse,) = check_warehouse(home)
    (nothing,) = check_published(home, now=NOON)
    assert (warehouse.level, nothing.level) == ("ok", "warning")
    assert nothing.advice == "run milestones ingest first"
    assert not home.root.exists()


def test_a_lost_warehouse(home: Home) -> None:
    home.warehouse_file.unlink()
    with pytest.raises(WarehouseLost):
        list(check_warehouse(home))


def test_a_warehouse_that_a_run_has_open_is_left_alone(home: Home) -> None:
    with writer_lock(home, purpose="a test"):
        (found,) = check_warehouse(home)
    assert (found.level, "in use by" in found.text, "(a test)" in found.text) == ("ok", True, True)


def test_a_write_ahead_log_of_a_killed_load(home: Home) -> None:
    home.warehouse_file.with_name("warehouse.duckdb.wal").touch()
    (found,) = check_warehouse(home)
    assert (found.level, found.advice) == ("warning", "run milestones ingest, which replays it")


@pytest.mark.parametrize(
    ("version", "level", "text"),
    [
        (SCHEMA_VERSION + 1, "error", f"this program knows up to {SCHEMA_VERSION}"),
        (SCHEMA_VERSION - 1, "ok", f"the next run brings it to {SCHEMA_VERSION}"),
    ],
    ids=["newer", "older"],
)
def test_a_schema_of_another_version(home: Home, version: int, level: str, text: str) -> None:
    change(home.warehouse_file, f"UPDATE schema_version SET version = {version}")
    (found,) = check_warehouse(home)
    assert (found.level, text in found.text) == (level, True)


@pytest.mark.parametrize(("name", "command"), [("warehouse", "milestones restore"), ("published", "milestones ingest")])
def test_a_damaged_file(home: Home, published: Shell, name: str, command: str) -> None:
    file = home.warehouse_file if name == "warehouse" else home.published_duckdb
    file.write_bytes(b"no database" * 1_000)
    checks = {
        "warehouse": lambda: check_warehouse(home),
        "published": lambda: check_published(home, now=published.clock()),
    }
    (found,) = run_checks([(name, checks[name])])
    assert (found.name, found.level, str(file) in found.text) == (name, "error", True)
    assert command in f"{found.text} {found.advice}"


def test_old_data_and_a_broken_link(home: Home, published: Shell) -> None:
    home.latest_snapshot.unlink()
    home.latest_snapshot.symlink_to("nowhere")
    _, snapshot, age = check_published(home, now=published.clock() + timedelta(days=3))
    assert (snapshot.level, age.level, age.text) == ("error", "warning", "the last sweep was published 3 days ago")


def test_only_filtered_sweeps(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1)])
    shell.sweep(category="Sports")
    shell.stages.publish()
    *_, age = check_published(shell.home, now=shell.clock())
    assert (age.level, age.text) == ("warning", "no full or incremental sweep is published")
