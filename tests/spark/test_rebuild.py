"""Rebuilds on Spark: every table equals that of this machine, row for row, also after repeated tasks.

They need the extra `spark` and Java: `make test-spark` runs them in an environment of their own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("pyspark", reason="without the extra spark: run make test-spark")

from pyspark import TaskContext

from pipelines.errors import PublishedDiffers, WrongUse
from pipelines.publish.manifest import Manifest, sha256_of
from pipelines.spark.parts import flatten_partition
from pipelines.spark.rebuild import stage_log, write_tables
from pipelines.spark.session import SparkFailed
from schemas.endpoints import ENDPOINT_TABLES
from schemas.tables import KEPT_TABLES
from tests.support import NOON, ZERO_TIME, Shell, Shells, contents, copied, milestone, milestone_id, tree

pytestmark = pytest.mark.slow

DETAILS: list[dict[str, Any]] = [
    {},
    {"round": 1, "odds": 1.5, "is_final": True, "legs": ["a", "b"], "venue": {"name": "Arena", "rows": None}},
    {"round": 2.5, "odds": 12345678901234567890, "legs": [], "venue": {}},
    {"round": "third", "season": {"week": 3}, "player_id_mapping": {milestone_id(1): "x", milestone_id(2): 2}},
    {"Ünïcode key.": "naïve ☃ \U0001f600", "legs": [["nested"]], "note": "line\nbreak\t\\"},
]


@pytest.fixture(scope="module")
def shell(shells: Shells, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A published home with history: changed, vanished and returned milestones, old times, mixed kinds."""
    rows = [
        milestone(number, type=f"type_{number % 3}", details=DETAILS[number % len(DETAILS)]) for number in range(1, 41)
    ]
    rows += [
        milestone(50, start_date="0001-01-01T00:00:00Z", last_updated_ts=ZERO_TIME),
        milestone(51, start_date="1583-01-01T00:00:00.000001Z", end_date="9999-12-31T23:59:59.999999Z"),
        milestone(52, start_date="1890-06-15T12:34:56.789Z", details=None, source_ids=None, related_event_tickers=None),
        milestone(53, session=1, title=None, primary_event_tickers=[]),
    ]
    shell = shells(tmp_path_factory.mktemp("spark"), rows)
    world = shell.world
    shell.sweep(mode="full")
    for version in range(3):
        shell.clock.forward(hours=1)
        for number in range(1 + version, 41, 4):
            world.edit_title(milestone_id(number), f"Title {version}")
        if version == 0:
            world.remove(milestone_id(8))
            world.remove(milestone_id(12))
        shell.sweep(mode="full", allow_shrink=True)
    assert shell.value("SELECT count(*) FROM milestones WHERE vanished_at IS NOT NULL") == 2
    world.insert(milestone(8, title="Back again"))
    shell.clock.forward(hours=1)
    shell.sweep(mode="full", allow_shrink=True)
    shell.stages.publish()
    return shell


def failing_once(folder: str, batches: Iterator[pa.RecordBatch], **options: Any) -> Iterator[pa.RecordBatch]:
    """Do all the work, then fail in the first attempt: as a lost executor, after its files were written."""
    done = list(flatten_partition(folder, batches, **options))
    context = TaskContext.get()
    assert context is not None
    if context.attemptNumber() == 0:
        raise RuntimeError("the executor is lost")
    return iter(done)


def never_working(folder: str, batches: Iterator[pa.RecordBatch], **options: Any) -> Iterable[pa.RecordBatch]:
    raise ValueError(f"nothing works in {Path(folder).name}")


def rows_of_files(folder: Path) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
    """Columns with types, and all rows in their own order, of the Parquet files below a folder."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        files = f"read_parquet('{folder}/**/*.parquet', hive_partitioning = false)"
        columns = [(name, kind) for name, kind, *_ in connection.execute(f"DESCRIBE FROM {files}").fetchall()]
        # Python's datetime has no year 9999 in other zones, and repr tells 1 from 1.0.
        return columns, connection.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {files} ORDER BY ALL").fetchall()


@pytest.mark.parametrize(
    ("master", "flatten"), [("local[2]", flatten_partition), ("local[2,2]", failing_once)], ids=["once", "repeated"]
)
def test_written_tables_equal_the_published_ones(shell: Shell, tmp_path: Path, master: str, flatten: Any) -> None:
    snapshot = shell.home.latest_snapshot.resolve()
    before = tree(shell.home.root)
    output = tmp_path / "tables"
    manifest = write_tables(snapshot, output, now=NOON, master=master, flatten=flatten, versions_of_one_partition=60)
    kept = {table.name for table in (*KEPT_TABLES, *ENDPOINT_TABLES)}
    names = {file.table for file in Manifest.read(snapshot).files if file.table} - kept
    assert {"details_type_0", "details_type_1", "details_type_2", "milestone_changes"} < names
    assert {path.name for path in output.iterdir()} == {*names, "manifest.json"}
    for name in sorted(map(str, names)):
        assert rows_of_files(output / name) == rows_of_files(snapshot / name), name
        published, written = (sorted((folder / name).rglob("*.parquet"))[0] for folder in (snapshot, output))
        assert pq.read_schema(written).equals(pq.read_schema(published), check_metadata=True), name
    assert len(list((output / "milestones").iterdir())) > 1
    files = {file.path: (file.bytes, file.rows, file.sha256) for file in Manifest.read(output).files}
    assert files == {
        str(path.relative_to(output)): (path.stat().st_size, pq.read_metadata(path).num_rows, sha256_of(path))
        for path in output.rglob("*.parquet")
    }
    assert manifest == Manifest.read(output)
    assert [path.name for path in tmp_path.iterdir()] == ["tables"]
    assert tree(shell.home.root) == before


def test_the_rebuilt_warehouse_equals_the_incremental_one(shell: Shell, tmp_path: Path) -> None:
    home = copied(shell.home, tmp_path / "copy")
    before = contents(home.warehouse_file)
    mine = Shell(home, shell.world, shell.base_url, shell.clock, type(shell.stages)(home, now=shell.clock))
    mine.stages.rebuild(partial(stage_log, master="local[2,2]", flatten=failing_once, versions_of_one_partition=60))
    after = contents(home.warehouse_file)
    # What was touched since the last publish is not derived from the log.
    assert after | {"internal_touched": ""} == before | {"internal_touched": ""}
    assert list((home.warehouse / "staging").iterdir()) == []


def test_a_failed_job_is_one_line_and_leaves_nothing(shell: Shell, tmp_path: Path) -> None:
    with pytest.raises(SparkFailed) as failed:
        write_tables(
            shell.home.latest_snapshot.resolve(), tmp_path / "out", now=NOON, master="local[1]", flatten=never_working
        )
    assert str(failed.value) == "Spark failed on local[1]: ValueError: nothing works in out.tmp"
    assert list(tmp_path.iterdir()) == []


def test_damage_of_the_published_log_is_not_derived_from(shell: Shell, tmp_path: Path) -> None:
    published = Path(shutil.copytree(shell.home.published, tmp_path / "published", symlinks=True))
    snapshot = (published / "parquet" / "latest").resolve()
    (file,) = (snapshot / "milestone_versions").rglob("*.parquet")
    content = bytearray(file.read_bytes())
    chunk = pq.read_metadata(file).row_group(0).column(0)
    content[chunk.data_page_offset + chunk.total_compressed_size - 20] ^= 1
    file.write_bytes(content)
    with pytest.raises(SparkFailed, match=r"Spark failed on local\[1\]: .*(CRC|checksum)"):
        write_tables(snapshot, tmp_path / "out", now=NOON, master="local[1]")
    assert not (tmp_path / "out").exists()


def test_an_output_with_files_is_kept(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(WrongUse, match=f"{tmp_path} exists: give a new folder with --output"):
        write_tables(shell.home.latest_snapshot.resolve(), tmp_path, now=NOON)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_snapshot_without_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PublishedDiffers, match=r"manifest.json is missing"):
        write_tables(tmp_path, tmp_path / "out", now=NOON)


@pytest.mark.parametrize("master", ["nonsense", "local[0]", "local-cluster[2]", "spark://"])
def test_a_wrong_master_is_wrong_use(shell: Shell, tmp_path: Path, master: str) -> None:
    with pytest.raises(WrongUse, match=r"is no Spark master: give local\[N\], spark://HOST:PORT"):
        write_tables(shell.home.latest_snapshot.resolve(), tmp_path / "out", now=NOON, master=master)
    assert list(tmp_path.iterdir()) == []


def test_yarn_without_its_configuration_is_wrong_use(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(WrongUse, match="--master yarn needs HADOOP_CONF_DIR"):
        write_tables(shell.home.latest_snapshot.resolve(), tmp_path / "out", now=NOON, master="yarn")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:1,127.0.0.1:2"], ids=["one", "two"])
def test_a_master_that_does_not_answer_is_one_line_at_once(shell: Shell, tmp_path: Path, address: str) -> None:
    with pytest.raises(SparkFailed, match=rf"^no Spark master answers at spark://{address}: check that it runs"):
        write_tables(shell.home.latest_snapshot.resolve(), tmp_path / "out", now=NOON, master=f"spark://{address}")
    assert list(tmp_path.iterdir()) == []
