"""Older warehouses come forward whole or stay as they are; newer ones are not touched."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest

from pipelines.errors import WarehouseUnusable
from pipelines.publish.manifest import verify
from pipelines.publish.snapshot import publish
from pipelines.staging.files import Staging
from pipelines.storage.home import Home
from pipelines.warehouse.audits import audits, run
from pipelines.warehouse.database import open_warehouse
from pipelines.warehouse.migrations import MIGRATIONS, migrate
from pipelines.warehouse.rebuild import rebuild
from schemas.sql import quote
from schemas.tables import DERIVED_TABLES, EVIDENCE, SCHEMA_VERSION
from tests.support import NOON, rows_of, tables_in

pytestmark = pytest.mark.slow

FIXTURES = Path(__file__).parents[1] / "fixtures"
OLD = FIXTURES / "warehouse-v1.duckdb.gz"
KEPT = ("milestone_versions", "quarantine", "sweeps")
"""What no log can give back."""


@pytest.fixture(scope="module", params=sorted(FIXTURES.glob("warehouse-v*.duckdb.gz")), ids=lambda file: file.name)
def brought_forward(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse of every older schema, come forward."""
    file = tmp_path_factory.mktemp("forward") / "warehouse.duckdb"
    file.write_bytes(gzip.decompress(request.param.read_bytes()))
    forward(file)
    return file


@pytest.fixture
def migrated(brought_forward: Path, tmp_path: Path) -> Path:
    """A copy of one that has come forward."""
    return Path(shutil.copyfile(brought_forward, tmp_path / "warehouse.duckdb"))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A warehouse of schema 1: 120 milestones in a first sweep, two of them changed in a second; a refused record."""
    file = tmp_path / "warehouse" / "warehouse.duckdb"
    file.parent.mkdir()
    file.write_bytes(gzip.decompress(OLD.read_bytes()))
    change(
        file,
        "INSERT INTO quarantine SELECT sweep_id, 1, 7, NULL, 'not a milestone', 'title', '{\"title\":7}', started_at "
        "FROM sweeps ORDER BY sweep_id LIMIT 1",
    )
    return file


def change(file: Path, *statements: str) -> None:
    with duckdb.connect(str(file)) as connection:
        for statement in statements:
            connection.execute(statement)


def forward(file: Path) -> None:
    with open_warehouse(file):
        pass


def contents(file: Path, tables: Iterable[str] = ()) -> dict[str, tuple[Any, ...]]:
    """Rows and an order-free hash of every table, or of the named ones."""
    with duckdb.connect(str(file), read_only=True) as connection:
        names = tables or [row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()]
        query = "SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT) FROM {} AS t"
        return {name: connection.execute(query.format(quote(name))).fetchall()[0] for name in names}


def sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def columns(file: Path) -> list[tuple[Any, ...]]:
    """Every column of the declared tables as it is made: order, type, nullability, comment."""
    return rows_of(
        file,
        "SELECT table_name, column_name, data_type, is_nullable, comment FROM duckdb_columns() "
        "WHERE NOT internal AND table_name NOT IN (SELECT table_name FROM details_fields) "
        "ORDER BY table_name, column_index",
    )


def test_there_is_a_fixture_for_every_older_schema() -> None:
    assert {file.name for file in FIXTURES.glob("*.gz")} == {
        f"warehouse-v{version}.duckdb.gz" for version in range(1, SCHEMA_VERSION)
    }


def test_the_fixture_has_its_schema_version(old: Path) -> None:
    assert rows_of(old, "SELECT version FROM schema_version") == [(1,)]
    assert {"milestone_entities", "milestone_changes", "details_fields", EVIDENCE.name}.isdisjoint(tables_in(old))
    assert rows_of(old, "SELECT count(*), count(*) FILTER (version = 2) FROM milestone_versions") == [(122, 2)]


def test_an_old_warehouse_is_migrated(old: Path) -> None:
    kept, before = contents(old, tables=KEPT), sha256(old)
    flat = rows_of(old, "SELECT milestone_id, title, details, content_hash FROM milestones ORDER BY 1")
    events = contents(old, tables=["milestone_events", "milestone_sources"])
    forward(old)
    assert sha256(old) != before
    assert rows_of(old, "SELECT version, name FROM schema_version ORDER BY 1") == [
        (1, None),
        *((migration.version, migration.name) for migration in MIGRATIONS),
    ]
    assert rows_of(old, "SELECT max(version) FROM schema_version") == [(SCHEMA_VERSION,)]
    assert contents(old, tables=KEPT) == kept
    assert rows_of(old, "SELECT milestone_id, title, details, content_hash FROM milestones ORDER BY 1") == flat
    assert contents(old, tables=["milestone_events", "milestone_sources"]) == events
    assert [path.name for path in old.parent.rglob("*") if path.is_file()] == [old.name], "no staged file is left"


def test_new_tables_are_filled_from_the_log(migrated: Path) -> None:
    changes = rows_of(migrated, "SELECT DISTINCT milestone_id, version FROM milestone_changes ORDER BY ALL")
    assert changes == rows_of(
        migrated, "SELECT milestone_id, version FROM milestone_versions WHERE version > 1 ORDER BY ALL"
    )
    assert rows_of(migrated, "SELECT count(*) > 50 FROM milestone_entities") == [(True,)]
    by_type = dict(rows_of(migrated, "SELECT type, count(*) FROM milestones GROUP BY 1"))
    tables = dict(rows_of(migrated, "SELECT DISTINCT type, table_name FROM details_fields"))
    assert tables.keys() == by_type.keys()
    for type_, table in tables.items():
        assert rows_of(migrated, f"SELECT count(*) FROM {quote(table)}") == [(by_type[type_],)]
    # Evidence counts versions, older ones too.
    versions = Counter(
        msgspec.json.decode(record)["type"] for (record,) in rows_of(migrated, "SELECT record FROM milestone_versions")
    )
    counted = dict(rows_of(migrated, "SELECT type, max(records) FROM internal_evidence GROUP BY 1"))
    assert counted.keys() == versions.keys()
    assert all(1 <= counted[type_] <= versions[type_] for type_ in versions)


def test_a_migrated_warehouse_equals_a_rebuild_and_passes_every_audit(migrated: Path) -> None:
    before = contents(migrated)
    assert {table.name for table in DERIVED_TABLES} < before.keys()
    with open_warehouse(migrated) as connection:
        rebuild(connection, Staging(migrated.parent / "again"))
        assert [str(finding) for audit in audits() if not (finding := run(connection, audit)).passed] == []
    assert contents(migrated) == before


def test_publishing_migrates_an_old_warehouse(old: Path) -> None:
    home = Home(old.parent.parent)
    publish(home, now=NOON)
    assert verify(home).differences == []
    assert rows_of(home.published_duckdb, "SELECT count(*) FROM milestone_entities") != [(0,)]


def test_a_migrated_warehouse_has_the_tables_of_a_new_one(migrated: Path, tmp_path: Path) -> None:
    new = tmp_path / "new" / "warehouse.duckdb"
    forward(new)
    assert columns(migrated) == columns(new)


def test_small_row_groups_are_merged(tmp_path: Path) -> None:
    """Eight polls of schema 3 made 40 MB of 120 milestones."""
    file = tmp_path / "warehouse.duckdb"
    file.write_bytes(gzip.decompress((FIXTURES / "warehouse-v3.duckdb.gz").read_bytes()))
    before = file.stat().st_size
    kept = contents(file, tables=KEPT)
    forward(file)
    assert contents(file, tables=KEPT) == kept
    assert file.stat().st_size < 0.6 * before


def test_a_migrated_warehouse_is_not_migrated_again(migrated: Path) -> None:
    before = contents(migrated)
    forward(migrated)
    assert contents(migrated) == before


POISONED = {
    "no JSON": "UPDATE milestone_versions SET record = '{' WHERE version = 2",
    "a time that is none": 'UPDATE milestone_versions SET record = replace(record, \'"start_date":"2\', '
    '\'"start_date":"x\') WHERE version = 2',
    "a field is missing": "UPDATE milestone_versions SET record = '{}' WHERE version = 1",
    # These come to light inside the transaction, when something has been written.
    "a view in the way": "CREATE VIEW milestone_changes AS SELECT 1",
    "a view in the way of a typed table": "CREATE VIEW details_football_game AS SELECT 1",
}


@pytest.mark.parametrize("statement", POISONED.values(), ids=POISONED)
def test_a_failed_migration_changes_nothing(old: Path, statement: str) -> None:
    change(old, statement)
    before, tables = contents(old), tables_in(old)
    with pytest.raises((duckdb.Error, msgspec.MsgspecError, LookupError, ValueError)), open_warehouse(old):
        pytest.fail("it was opened")
    assert tables_in(old) == tables
    assert contents(old) == before
    assert rows_of(old, "SELECT version FROM schema_version") == [(1,)]
    assert [path.name for path in old.parent.rglob("*") if path.is_file()] == [old.name]


def test_a_failed_migration_can_be_repeated(old: Path) -> None:
    change(old, "CREATE VIEW milestone_changes AS SELECT 1")
    with pytest.raises(duckdb.Error), open_warehouse(old):
        pytest.fail("it was opened")
    change(old, "DROP VIEW milestone_changes")
    forward(old)
    assert rows_of(old, "SELECT max(version) FROM schema_version") == [(SCHEMA_VERSION,)]


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, 2**31 - 1])
def test_a_newer_warehouse_is_refused_and_not_changed(old: Path, version: int) -> None:
    change(old, f"INSERT INTO schema_version VALUES ({version}, now())")
    before = sha256(old)
    with pytest.raises(
        WarehouseUnusable, match=f"has schema version {version}, and this program supports up to {SCHEMA_VERSION}"
    ):
        forward(old)
    assert sha256(old) == before
    assert list(old.parent.iterdir()) == [old]


def test_an_empty_old_warehouse_is_migrated(old: Path) -> None:
    change(old, *(f"DELETE FROM {table}" for table in tables_in(old) if table != "schema_version"))
    forward(old)
    assert rows_of(old, "SELECT max(version) FROM schema_version") == [(SCHEMA_VERSION,)]
    assert rows_of(old, "SELECT count(*) FROM details_fields") == [(0,)]


def test_migrations_are_ordered_and_named_and_end_at_the_current_schema() -> None:
    versions = [migration.version for migration in MIGRATIONS]
    assert versions == list(range(2, SCHEMA_VERSION + 1))
    assert len({migration.name for migration in MIGRATIONS} - {""}) == len(MIGRATIONS)


def test_a_migration_keeps_tables_that_the_log_cannot_derive(migrated: Path, tmp_path: Path) -> None:
    with open_warehouse(migrated) as connection:
        connection.execute("UPDATE internal_evidence SET is_discarded = true WHERE path = 'status'")
        connection.execute("INSERT INTO internal_absences SELECT milestone_id, '000002' FROM milestones LIMIT 3")
        connection.execute(
            "INSERT INTO archived_milestones SELECT milestone_id, now(), (SELECT max(sweep_id) FROM sweeps), true "
            "FROM milestones ORDER BY ALL DESC LIMIT 3"
        )
        rebuild(connection, Staging(tmp_path / "rebuild"))
    before = contents(migrated)
    assert rows_of(migrated, "SELECT count(*) FROM archived_milestones") == [(3,)]
    assert rows_of(migrated, "SELECT count(*) FROM details_fields WHERE path = 'status' AND column_name IS NULL") != [
        (0,)
    ]
    with open_warehouse(migrated) as connection:
        migrate(connection, Staging(tmp_path / "staging"), version=SCHEMA_VERSION)
    assert contents(migrated) == before
    assert not (tmp_path / "staging").exists()
