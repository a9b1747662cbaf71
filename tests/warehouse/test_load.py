"""A sweep is loaded in one transaction: idempotent, and rolled back after an error."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import NothingToDo
from pipelines.staging.files import Staging
from pipelines.warehouse.database import open_warehouse
from pipelines.warehouse.ledger import LedgerRow, is_loaded, newest_watermark, quarantined, record_failure, row_counts
from pipelines.warehouse.load import Conclusions, load_sweep
from pipelines.warehouse.statements import transaction
from schemas.endpoints import PUBLISHED_TABLES
from schemas.tables import FLAT_TABLES
from tests.support import NOON, Shell, contents, milestone, milestone_id, serving_shells

pytestmark = pytest.mark.slow

ROWS = [*(milestone(number) for number in range(1, 101)), milestone(101, title=7)]


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A sweep of 100 good milestones and a bad one, staged and not loaded."""
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("staged"), ROWS)
        shell.land()
        shell.stage()
    return shell


@pytest.fixture
def file(staged: Shell, tmp_path: Path) -> Path:
    """A copy of its empty warehouse."""
    shutil.copyfile(staged.home.warehouse_file, tmp_path / "warehouse.duckdb")
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def staging(staged: Shell, tmp_path: Path) -> Staging:
    """A copy of its staged files."""
    (folder,) = (staged.home.warehouse / "staging").iterdir()
    shutil.copytree(folder, tmp_path / folder.name)
    return Staging(tmp_path / folder.name)


def ledger_of(staging: Staging, **fields: object) -> LedgerRow:
    known = {
        "sweep_id": staging.folder.name,
        "mode": "full",
        "status": "loaded",
        "started_at": NOON,
        "finished_at": NOON + timedelta(seconds=1),
        "filters": "{}",
        "pages": 2,
        "records": 101,
        "new": 100,
        "quarantined": 1,
        "watermark": NOON,
        "is_complete": True,
    }
    return LedgerRow(**(known | fields))  # type: ignore[arg-type]


def test_a_sweep_is_loaded_once(file: Path, staging: Staging) -> None:
    ledger = ledger_of(staging)
    with open_warehouse(file) as connection:
        assert newest_watermark(connection) is None
        assert not is_loaded(connection, ledger.sweep_id)
        assert load_sweep(connection, staging, ledger, Conclusions()) is True
        assert is_loaded(connection, ledger.sweep_id)
        assert newest_watermark(connection) == NOON
        counts = row_counts(connection)
    assert counts.keys() == {table.name for table in PUBLISHED_TABLES}
    assert (counts["milestones"], counts["milestone_versions"], counts["quarantine"], counts["sweeps"]) == (
        100,
        100,
        1,
        1,
    )
    before = contents(file)
    with open_warehouse(file) as connection:
        assert load_sweep(connection, staging, ledger_of(staging, new=0, unchanged=100), Conclusions()) is False
    assert contents(file) == before


def test_row_groups_are_merged_by_every_load_but_the_first(file: Path, staging: Staging) -> None:
    def merges_after(sweep_id: str, mode: str) -> bool:
        with open_warehouse(file) as connection:
            assert load_sweep(connection, staging, ledger_of(staging, sweep_id=sweep_id, mode=mode), Conclusions())
            setting = connection.execute("SELECT current_setting('max_vacuum_tasks')").fetchall()
        return setting not in ([("0",)], [(0,)])

    assert not merges_after("000001-20261125T120000Z", "full")
    assert merges_after("000002-20261125T120000Z", "incremental")
    assert merges_after("000003-20261125T120000Z", "full")
    assert merges_after("000004-20261125T120000Z", "by_id")


@pytest.mark.parametrize("table", [table.name for table in FLAT_TABLES])
def test_a_load_that_fails_at_a_table_is_rolled_back(file: Path, staging: Staging, table: str) -> None:
    before = contents(file)
    (staging.folder / f"{table}-000001.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(duckdb.Error, match=rf"{table}-000001\.parquet"), open_warehouse(file) as connection:
        load_sweep(connection, staging, ledger_of(staging), Conclusions())
    assert contents(file) == before


def test_a_load_that_fails_at_its_ledger_is_rolled_back(file: Path, staging: Staging) -> None:
    before = contents(file)
    with pytest.raises(duckdb.ConstraintException), open_warehouse(file) as connection:
        load_sweep(connection, staging, ledger_of(staging, finished_at=None), Conclusions())
    assert contents(file) == before


def test_a_load_without_staged_tables_raises(file: Path, tmp_path: Path) -> None:
    nothing = Staging(tmp_path / "000001-20261123T120000Z")
    with open_warehouse(file) as connection, pytest.raises(NothingToDo, match=r"000001-.* has no staged tables"):
        load_sweep(connection, nothing, ledger_of(nothing), Conclusions())


def test_a_failure_is_recorded_once_with_its_refused_records(file: Path, staging: Staging) -> None:
    failed = ledger_of(staging, status="failed", new=0, watermark=None, is_complete=False, error="it broke")
    with open_warehouse(file) as connection:
        for _ in range(2):
            record_failure(connection, staging, failed)
        assert newest_watermark(connection) is None
        assert not is_loaded(connection, failed.sweep_id)
        assert {name: count for name, count in row_counts(connection).items() if count} == {
            "quarantine": 1,
            "sweeps": 1,
        }
        assert connection.execute("SELECT status, error FROM sweeps").fetchall() == [("failed", "it broke")]


def test_a_loaded_sweep_is_never_recorded_as_failed(file: Path, staging: Staging) -> None:
    with open_warehouse(file) as connection:
        load_sweep(connection, staging, ledger_of(staging), Conclusions())
        record_failure(connection, staging, ledger_of(staging, status="failed", error="too late", watermark=None))
        assert connection.execute("SELECT status, error FROM sweeps").fetchall() == [("loaded", None)]


def test_a_failed_sweep_can_be_loaded_later(file: Path, staging: Staging) -> None:
    with open_warehouse(file) as connection:
        record_failure(connection, staging, ledger_of(staging, status="failed", error="it broke", watermark=None))
        assert load_sweep(connection, staging, ledger_of(staging), Conclusions()) is True
        assert connection.execute("SELECT status, error FROM sweeps").fetchall() == [("loaded", None)]
        assert row_counts(connection)["quarantine"] == 1


@pytest.mark.parametrize("fault", [duckdb.Error("x"), KeyboardInterrupt(), ZeroDivisionError()], ids=repr)
def test_a_transaction_is_all_or_nothing(file: Path, fault: BaseException) -> None:
    def use(connection: duckdb.DuckDBPyConnection) -> None:
        with transaction(connection):
            connection.execute("INSERT INTO mine VALUES (1)")
            raise fault

    with open_warehouse(file) as connection:
        connection.execute("CREATE TABLE mine (n INTEGER)")
        with pytest.raises(type(fault)):
            use(connection)
        assert connection.execute("SELECT * FROM mine").fetchall() == []
        with transaction(connection):
            connection.execute("INSERT INTO mine VALUES (2)")
    with open_warehouse(file) as connection:
        assert connection.execute("SELECT * FROM mine").fetchall() == [(2,)]


LATER = NOON + timedelta(hours=1)
RETYPED, UPDATED, GONE, ABSENT, ARCHIVED = map(milestone_id, range(1, 6))


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A loaded sweep, and a second one that is staged: a milestone has another type, one a newer update time."""
    rows = [milestone(number) for number in range(1, 101)]
    with serving_shells() as shells:
        shell = shells(tmp_path_factory.mktemp("second"), [*rows, milestone(101, title=7)])
        shell.sweep()
        shell.clock.time = LATER
        # The sandbox gives both the current time as their update time.
        for changed in (rows[0] | {"type": "concert", "details": {"venue": "x"}}, rows[1]):
            shell.world.remove(changed["id"])
            shell.world.insert(changed)
        shell.land(mode="full")
        shell.stage()
    return shell


@pytest.fixture
def loaded(second: Shell, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A copy of its warehouse."""
    shutil.copyfile(second.home.warehouse_file, tmp_path / "second.duckdb")
    with open_warehouse(tmp_path / "second.duckdb") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture
def of_second(second: Shell) -> Staging:
    """Its staged files."""
    return Staging(max((second.home.warehouse / "staging").iterdir()))


def rows_(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[object, ...]]:
    return connection.execute(query).fetchall()


def parquet(file: Path, **columns: list[object]) -> str:
    pq.write_table(pa.table(columns), file)
    return str(file)


def test_what_changed_is_loaded_and_nothing_else(loaded: duckdb.DuckDBPyConnection, of_second: Staging) -> None:
    before = rows_(loaded, "SELECT milestone_id, milestones FROM milestones ORDER BY 1")
    assert load_sweep(loaded, of_second, ledger_of(of_second), Conclusions())
    after = rows_(loaded, "SELECT milestone_id, milestones FROM milestones ORDER BY 1")
    assert [one[0] for one, other in zip(before, after, strict=True) if one != other] == [RETYPED, UPDATED]
    updated = loaded.execute("SELECT milestone_id FROM milestones WHERE last_updated_ts >= ? ORDER BY 1", [LATER])
    assert updated.fetchall() == [(RETYPED,), (UPDATED,)]
    versions = "SELECT count(*), count(valid_to) FROM milestone_versions WHERE milestone_id = '{}'"
    assert rows_(loaded, versions.format(RETYPED)) == [(2, 1)]
    assert rows_(loaded, versions.format(UPDATED)) == [(1, 0)]
    assert ("type", RETYPED) in rows_(loaded, "SELECT field, milestone_id FROM milestone_changes")
    # The typed tables of the old and of the new type.
    typed = "SELECT count(*) FROM {} WHERE milestone_id = '{}'"
    assert rows_(loaded, typed.format("details_football_game", RETYPED)) == [(0,)]
    assert rows_(loaded, typed.format("details_concert", RETYPED)) == [(1,)]
    assert rows_(loaded, "SELECT count(*) FROM details_football_game") == [(99,)]
    # The log that the next publish reads: it names what was touched, and the table that is new.
    touched = "SELECT DISTINCT milestone_id, table_name FROM internal_touched WHERE sweep_id = '{}' ORDER BY ALL"
    assert rows_(loaded, touched.format(of_second.folder.name)) == [
        ("", ""),
        ("", "details_concert"),
        (RETYPED, ""),
        (UPDATED, ""),
    ]


def test_the_conclusions_of_a_sweep_are_stored(
    loaded: duckdb.DuckDBPyConnection, of_second: Staging, tmp_path: Path
) -> None:
    (retried,) = (one.key for one in quarantined(loaded))
    loaded.execute("INSERT INTO internal_absences VALUES ('of an earlier sweep', '000000')")
    conclusions = Conclusions(
        vanished=(GONE,),
        landed_at=LATER,
        absent=parquet(tmp_path / "absent.parquet", milestone_id=[GONE, ABSENT, ARCHIVED]),
        archived=parquet(tmp_path / "archived.parquet", milestone_id=[ARCHIVED], answered_by_id=[True]),
        discarding=("concert",),
        retried=(retried,),
    )
    assert load_sweep(loaded, of_second, ledger_of(of_second), conclusions)
    sweep_id = of_second.folder.name
    assert rows_(loaded, "SELECT milestone_id, vanished_at FROM milestones WHERE vanished_at IS NOT NULL") == [
        (GONE, LATER)
    ]
    # What vanished or is archived is no longer absent.
    assert rows_(loaded, "FROM internal_absences") == [(ABSENT, sweep_id)]
    assert rows_(loaded, "SELECT milestone_id, archived_at, sweep_id, answered_by_id FROM archived_milestones") == [
        (ARCHIVED, LATER, sweep_id, True)
    ]
    # The retried record is gone, the one that the second sweep refused is there.
    assert [one.key[0] for one in quarantined(loaded)] == [sweep_id]
    assert rows_(loaded, "SELECT DISTINCT type FROM internal_evidence WHERE is_discarded") == [("concert",)]
    touched = f"SELECT DISTINCT milestone_id FROM internal_touched WHERE sweep_id = '{sweep_id}' ORDER BY 1"
    assert rows_(loaded, touched) == [("",), (RETYPED,), (UPDATED,), (GONE,), (ARCHIVED,)]


def test_a_sweep_without_a_complete_list_keeps_the_absences(
    loaded: duckdb.DuckDBPyConnection, of_second: Staging
) -> None:
    loaded.execute("INSERT INTO internal_absences VALUES ('of an earlier sweep', '000000')")
    assert load_sweep(loaded, of_second, ledger_of(of_second), Conclusions())
    assert rows_(loaded, "FROM internal_absences") == [("of an earlier sweep", "000000")]


@pytest.mark.parametrize(("mode", "kept"), [("full", 0), ("retry", 1)])
def test_a_record_ends_the_archiving_of_its_milestone_unless_it_is_old(
    loaded: duckdb.DuckDBPyConnection, of_second: Staging, mode: str, kept: int
) -> None:
    loaded.execute(
        "INSERT INTO archived_milestones BY NAME SELECT ? AS milestone_id, ? AS archived_at, '000000' "
        "AS sweep_id, false AS answered_by_id",
        [RETYPED, NOON],
    )
    assert load_sweep(loaded, of_second, ledger_of(of_second, mode=mode), Conclusions())
    assert rows_(loaded, "SELECT count(*) FROM archived_milestones") == [(kept,)]
