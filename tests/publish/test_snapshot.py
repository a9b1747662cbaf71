"""Publishing: the published files, and that readers see the old state or the new one even if a publish is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import MilestonesError, NothingToDo
from pipelines.publish.data_package import DATA_PACKAGE_FILE
from pipelines.publish.manifest import MANIFEST_FILE, Manifest, PublishedFile, verify
from pipelines.publish.snapshot import Snapshot, publish
from pipelines.publish.summary import SUMMARY_FILE
from pipelines.reading.connection import open_reader
from pipelines.storage.home import Home
from pipelines.warehouse.change_log import clear
from pipelines.warehouse.database import open_warehouse
from pipelines.warehouse.endpoints import endpoint_versions
from schemas.endpoints import ENDPOINT_TABLES, PUBLISHED_TABLES
from tests.support import NOON, Shell, contents, copied, milestone, rows_of, serving_shells, tree

pytestmark = pytest.mark.slow

DECLARED = {table.name: table for table in PUBLISHED_TABLES}
TABLES = [*DECLARED, "details_football_game"]
"""What is published, the typed table of the only type here included."""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A warehouse with a changed milestone and a refused record, nothing published yet."""
    odd = milestone(99, title="東京 🏀\n", details={}, source_ids={"a.b": ""}, extra_field={"x": 1.50})
    with serving_shells() as shells:
        rows = [*(milestone(number) for number in range(1, 99)), odd, milestone(100, title=7)]
        shell = shells(tmp_path_factory.mktemp("loaded"), rows)
        shell.sweep()
        shell.clock.forward(hours=1)
        shell.world.edit_title(rows[0]["id"], "changed")
        shell.sweep()
    with open_warehouse(shell.home.warehouse_file) as connection:
        connection.execute(
            "INSERT INTO archived_milestones SELECT milestone_id, now(), (SELECT max(sweep_id) FROM sweeps), NULL "
            "FROM milestones ORDER BY milestone_id LIMIT 1"
        )
        for table in ENDPOINT_TABLES:
            columns = [column for column in table.columns if not column.generated]
            values = ", ".join(f"CAST({SAMPLES.get(column.sql_type, '1')} AS {column.sql_type})" for column in columns)
            names_ = ", ".join(f'"{column.name}"' for column in columns)
            connection.execute(f'INSERT INTO "{table.name}" ({names_}) VALUES ({values})')
    return shell


SAMPLES = {"VARCHAR": "'x'", "TIMESTAMPTZ": "'2026-11-23 12:00:00Z'", "BOOLEAN": "true"}
"""A value by type for the tables of other endpoints; 1 for numbers."""


@pytest.fixture
def home(loaded: Shell, tmp_path: Path) -> Home:
    """A copy of its warehouse in a home of its own."""
    return copied(loaded.home, tmp_path / "home")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_published_files(home: Home) -> None:
    before = home.warehouse_file.read_bytes()
    snapshot = publish(home, now=NOON)
    assert home.warehouse_file.read_bytes() == before
    assert names(home.warehouse) == [home.warehouse_file.name]
    assert snapshot.folder == home.snapshots / "000001-20261123T120000Z"
    assert names(home.published) == ["milestones.duckdb", "parquet", "summary.json"]
    assert names(home.snapshots) == [snapshot.folder.name, "latest"]
    assert str(home.latest_snapshot.readlink()) == snapshot.folder.name
    assert names(snapshot.folder) == sorted([*TABLES, DATA_PACKAGE_FILE, MANIFEST_FILE, SUMMARY_FILE])
    assert snapshot.manifest == Manifest.read(snapshot.folder)
    assert snapshot.manifest.created_at == NOON
    assert snapshot.rows == {
        name: rows_of(home.warehouse_file, f'SELECT count(*) FROM "{name}"')[0][0] for name in TABLES
    }
    assert snapshot.bytes == sum(file.bytes for file in snapshot.manifest.files)
    with open_warehouse(home.warehouse_file) as connection:
        assert snapshot.manifest.versions == endpoint_versions(connection)


def test_a_publish_without_changes_links_the_files_of_milestones(home: Home) -> None:
    first, second = (publish(home, now=NOON).folder / "milestones" / "part-000.parquet" for _ in range(2))
    assert first.samefile(second)


def test_the_data_version_of_a_table_changes_with_its_files_only() -> None:
    def version(*files: tuple[str, str, str], snapshot: str = "000001-20261123T120000Z") -> str:
        """Of `milestones`, in a snapshot of these files, each given as table, path below the table, sha256."""
        entries = [
            PublishedFile(f"parquet/{snapshot}/{table}/{path}", table, 1, 1, sum_) for table, path, sum_ in files
        ]
        return Snapshot(Path(snapshot), Manifest(snapshot, 1, NOON, None, entries)).data_version("milestones")

    one, two, other = ("milestones", "a.parquet", "0"), ("milestones", "b.parquet", "1"), ("sweeps", "a.parquet", "2")
    assert version(one, two) == version(one, two, other) == version(one, two, snapshot="000002-20261123T120000Z")
    assert (
        len({version(one, two), version(one), version(two), version(("milestones", "a.parquet", "1")), version()}) == 5
    )


@pytest.fixture(scope="module")
def snapshot(loaded: Shell) -> Path:
    return publish(loaded.home, now=NOON).folder


def test_the_published_file_has_the_rows_of_the_warehouse(loaded: Shell, snapshot: Path) -> None:
    published = contents(loaded.home.published_duckdb)
    assert published.keys() == {*TABLES, "schema_version"}, "nothing private is published"
    warehouse = contents(loaded.home.warehouse_file)
    assert published == {name: warehouse[name] for name in published}


@pytest.mark.parametrize("table", TABLES)
def test_parquet_has_the_declared_schema_and_duckdbs_content(loaded: Shell, snapshot: Path, table: str) -> None:
    (file,) = (snapshot / table).iterdir()
    stored = pq.read_schema(file)
    if table in DECLARED:
        columns = DECLARED[table].columns
        assert stored.equals(DECLARED[table].arrow_schema)
        assert [stored.field(c.name).metadata[b"description"].decode() for c in columns] == [
            c.description for c in columns
        ]
    from_parquet = rows_of(loaded.home.published_duckdb, f"SELECT * FROM read_parquet('{file}') ORDER BY ALL")
    chosen = ", ".join(f'"{name}"' for name in stored.names)
    assert from_parquet == rows_of(loaded.home.published_duckdb, f'SELECT {chosen} FROM "{table}" ORDER BY ALL')
    assert from_parquet, "an empty table proves nothing"


def test_the_published_file_needs_nothing_else(loaded: Shell, snapshot: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere.duckdb"
    shutil.copyfile(loaded.home.published_duckdb, alone)
    assert rows_of(alone, "SELECT count(*) FROM milestones") == [(99,)]
    assert names(tmp_path) == ["elsewhere.duckdb"]


def test_columns_describe_themselves_in_the_published_file(loaded: Shell, snapshot: Path) -> None:
    comments = dict(
        rows_of(
            loaded.home.published_duckdb,
            "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'milestones'",
        )
    )
    assert comments == {column.name: column.description for column in DECLARED["milestones"].columns}


def test_snapshots_are_numbered_and_never_changed(home: Home) -> None:
    first = publish(home, now=NOON)
    before = tree(first.folder)
    second = publish(home, now=NOON - timedelta(days=30))
    assert [first.folder.name[:6], second.folder.name[:6]] == ["000001", "000002"]
    assert str(home.latest_snapshot.readlink()) == second.folder.name
    assert tree(first.folder) == before
    assert verify(home).differences == []


def test_publishing_without_a_warehouse_raises(tmp_path: Path) -> None:
    with pytest.raises(NothingToDo, match=r"there is no warehouse at .* to publish: run milestones ingest"):
        publish(Home(tmp_path), now=NOON)
    assert names(tmp_path) == []


def test_an_empty_warehouse_is_published_with_typed_tables(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with open_warehouse(home.warehouse_file):
        pass
    snapshot = publish(home, now=NOON)
    assert set(snapshot.rows.values()) == {0}
    assert snapshot.manifest.sweep_id is None
    assert names(snapshot.folder) == sorted([*DECLARED, DATA_PACKAGE_FILE, MANIFEST_FILE, SUMMARY_FILE])
    for table in PUBLISHED_TABLES:
        assert pq.read_table(snapshot.folder / table.name / "part-000.parquet").equals(
            pa.Table.from_batches([], table.arrow_schema)
        )
    assert verify(home).differences == []


def test_leftovers_of_a_killed_publish_are_removed(home: Home) -> None:
    publish(home, now=NOON)
    (home.snapshots / "000002-20261123T120000Z.tmp" / "milestones").mkdir(parents=True)
    (home.snapshots / "000002-20261123T120000Z.tmp" / "milestones" / "part-000.parquet").write_bytes(b"PAR1")
    (home.published / "milestones.duckdb.tmp").write_bytes(b"half a copy")
    (home.snapshots / "latest.tmp").symlink_to("000001-20261123T120000Z")
    snapshot = publish(home, now=NOON)
    assert names(home.published) == ["milestones.duckdb", "parquet", "summary.json"]
    assert names(home.snapshots) == ["000001-20261123T120000Z", snapshot.folder.name, "latest"]
    assert verify(home).differences == []


KILLED_WHILE_IT_CHANGES = """
import os, sys, duckdb
connection = duckdb.connect()
connection.execute(f"ATTACH '{sys.argv[1]}' AS killed; USE killed")
connection.execute(sys.argv[2])
os._exit(9)
"""


def killed_while_it_changes(file: Path, statement: str) -> None:
    """Leave a DuckDB file with a write-ahead log, as a process does that dies before its checkpoint."""
    subprocess.run([sys.executable, "-c", KILLED_WHILE_IT_CHANGES, str(file), statement], check=False)
    assert file.with_name(f"{file.name}.wal").exists()


def test_the_log_of_a_killed_publish_is_not_replayed_over_the_next_copy(home: Home) -> None:
    copy = home.published / "milestones.duckdb.tmp"
    copy.parent.mkdir()
    shutil.copyfile(home.warehouse_file, copy)
    killed_while_it_changes(copy, "DROP TABLE internal_evidence")
    publish(home, now=NOON)
    assert verify(home).differences == []
    assert names(home.published) == ["milestones.duckdb", "parquet", "summary.json"]


def test_the_commit_of_a_killed_load_is_published(home: Home) -> None:
    killed_while_it_changes(home.warehouse_file, "UPDATE milestones SET title = 'committed'")
    snapshot = publish(home, now=NOON)
    titles = {(title,) for title in pq.read_table(snapshot.folder / "milestones")["title"].to_pylist()}
    assert titles == set(rows_of(home.published_duckdb, "SELECT title FROM milestones")) == {("committed",)}


def test_foreign_files_next_to_it_are_not_changed(home: Home) -> None:
    publish(home, now=NOON)
    (home.published / "mine.csv").write_text("1")
    (home.snapshots / "mine").mkdir()
    publish(home, now=NOON)
    assert {"mine.csv"} < set(names(home.published))
    assert {"mine"} < set(names(home.snapshots))


# Broken off


def change(home: Home) -> None:
    sql(home, "UPDATE milestones SET title = 'new'")


def titles(home: Home) -> set[str]:
    return {
        title
        for (title,) in rows_of(home.published_duckdb, "SELECT DISTINCT title FROM milestones WHERE title = 'new'")
    }


def latest_titles(home: Home) -> set[str]:
    column = pq.read_table(home.latest_snapshot / "milestones" / "part-000.parquet")["title"]
    return set(column.to_pylist()) & {"new"}


def in_the_way(path: Path) -> None:
    """A folder with something in it: neither written over nor renamed over."""
    path.unlink(missing_ok=True)
    (path / "in the way").mkdir(parents=True)


OBSTACLES: dict[str, Callable[[Home], None]] = {
    "the copy": lambda home: in_the_way(home.warehouse_file),
    "reading the copy": lambda home: void(home.warehouse_file.write_bytes(b"no DuckDB file")),
    "a table": lambda home: sql(home, "DROP TABLE milestone_sources"),
    "a NULL in a required column": lambda home: sql(
        home, "ALTER TABLE milestones ALTER type DROP NOT NULL; UPDATE milestones SET type = NULL"
    ),
}


def void(_: object) -> None:
    """For lambdas that write."""


def sql(home: Home, statements: str) -> None:
    """Change the warehouse past every load: what changed is not known then, as after a rebuild."""
    with open_warehouse(home.warehouse_file) as connection:
        connection.execute(statements)
        clear(connection)


@pytest.mark.parametrize("obstacle", OBSTACLES.values(), ids=OBSTACLES)
def test_a_publish_that_fails_before_its_renames_keeps_the_old_snapshot(
    home: Home, obstacle: Callable[[Home], None]
) -> None:
    first = publish(home, now=NOON)
    before = tree(first.folder) | {"duckdb": tree(home.published)["milestones.duckdb"]}
    good = home.warehouse_file.read_bytes()
    obstacle(home)
    with pytest.raises((OSError, duckdb.Error, pa.ArrowInvalid, ValueError, MilestonesError)):
        publish(home, now=NOON)
    assert tree(first.folder) | {"duckdb": tree(home.published)["milestones.duckdb"]} == before
    assert str(home.latest_snapshot.readlink()) == first.folder.name
    assert verify(home).differences == []
    # Once it is out of the way the next publish goes through and clears up.
    if home.warehouse_file.is_dir():
        shutil.rmtree(home.warehouse_file)
    home.warehouse_file.write_bytes(good)
    change(home)
    publish(home, now=NOON)
    assert names(home.published) == ["milestones.duckdb", "parquet", "summary.json"]
    assert (titles(home), latest_titles(home)) == ({"new"}, {"new"})
    assert verify(home).differences == []


# Every call that the publish makes to change names on the disk, in order: os.rename, os.replace, os.symlink.
KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from pipelines.storage.home import Home
from pipelines.publish.snapshot import Snapshot, publish
from pipelines.publish.summary import SUMMARY_FILE

left = int(sys.argv[2])

def hook(event, arguments):
    global left
    if event in ("os.rename", "os.symlink") and str(arguments[1]).startswith(sys.argv[1]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
publish(Home(Path(sys.argv[1])), now=datetime(2026, 11, 23, 12, tzinfo=UTC))
print(left)
"""
STEPS = ["manifest", "snapshot", "DuckDB file", "link made", "link swapped"]


@pytest.mark.parametrize("step", range(1, len(STEPS) + 1), ids=[f"before {step}" for step in STEPS])
def test_a_kill_at_any_rename_leaves_the_old_state_or_the_new(home: Home, step: int) -> None:
    publish(home, now=NOON)
    change(home)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(home.root), str(step)], capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # Readers of Parquet see the old snapshot until the link moves; the DuckDB file is whole, old or new.
    assert latest_titles(home) == set()
    assert titles(home) == ({"new"} if step > STEPS.index("DuckDB file") + 1 else set())
    assert verify(home).differences == []
    publish(home, now=NOON)
    assert (titles(home), latest_titles(home)) == ({"new"}, {"new"})
    assert verify(home).differences == []
    assert [name for name in names(home.published) + names(home.snapshots) if name.endswith(".tmp")] == []


def test_the_kill_test_covers_every_rename(home: Home) -> None:
    publish(home, now=NOON)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(home.root), "100"], capture_output=True, text=True, check=True
    )
    assert 100 - int(done.stdout) == len(STEPS)


# Readers


@contextlib.contextmanager
def reading(read: Callable[[], None]) -> Iterator[Callable[[], int]]:
    """Reads in another thread until the block ends; fails with what a read failed with. Gives how often it read."""
    stop, faults, count = threading.Event(), list[BaseException](), 0

    def loop() -> None:
        nonlocal count
        try:
            while not stop.is_set():
                read()
                count += 1
        except BaseException as fault:  # noqa: BLE001 - whatever it is, the test shows it
            faults.append(fault)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield lambda: count
    finally:
        stop.set()
        thread.join()
    if faults:
        raise faults[0]


def test_readers_see_consistent_states_during_twenty_publishes(home: Home) -> None:
    publish(home, now=NOON)

    def read() -> None:
        # One resolution of the link is one snapshot.
        folder = home.latest_snapshot.resolve()
        manifest = Manifest.read(folder)
        found = {
            file.table: pq.read_metadata(home.published / file.path).num_rows for file in manifest.files if file.table
        }
        assert found == {file.table: file.rows for file in manifest.files if file.table}
        with open_reader(home.published_duckdb) as connection:
            titles = connection.execute("SELECT count(*), count(DISTINCT notification_message) FROM milestones")
            assert titles.fetchall() == [(99, 1)]

    with reading(read) as count:
        for number in range(20):
            sql(home, f"UPDATE milestones SET notification_message = '{number}'")
            publish(home, now=NOON + timedelta(minutes=number))
    assert count() >= 20
    assert len([name for name in names(home.snapshots) if name != "latest"]) == 21
    assert verify(home).differences == []


def test_an_open_reader_does_not_stop_the_writer(home: Home) -> None:
    publish(home, now=NOON)
    with duckdb.connect(str(home.published_duckdb), read_only=True) as reader:
        change(home)
        publish(home, now=NOON)
        assert reader.execute("SELECT count(*) FROM milestones WHERE title = 'new'").fetchall() == [(0,)]
    assert titles(home) == {"new"}


def test_file_modes_follow_the_umask(home: Home) -> None:
    old = os.umask(0o077)
    try:
        snapshot = publish(home, now=NOON)
    finally:
        os.umask(old)
    for path in (home.published_duckdb, snapshot.folder, snapshot.folder / MANIFEST_FILE):
        assert path.stat().st_mode & 0o077 == 0, path
