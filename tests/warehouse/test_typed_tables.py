"""The field catalogue and the typed tables in a real warehouse: nothing lost, nothing that depends on the order."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.flatten.details import leaves
from pipelines.flatten.field_catalogue import MAX_COLUMNS
from pipelines.staging.files import Staging
from pipelines.staging.stage_records import stage_records
from pipelines.staging.stage_tables import stage_tables
from pipelines.storage.landing import Page
from pipelines.warehouse import compare, rebuild
from pipelines.warehouse.ledger import LedgerRow
from pipelines.warehouse.load import Conclusions, load_sweep
from pipelines.warehouse.typed_tables import refresh, typed_columns, typed_tables
from schemas.endpoints import PUBLISHED_TABLES
from schemas.sql import quote
from schemas.tables import DERIVED_TABLES, EVIDENCE, PRIVATE_TABLES
from tests.flatten.inverse import parse_path
from tests.flatten.test_field_catalogue import IDS, NASTY_TYPES, documents
from tests.records.samples import NASTY_KEYS, encoded, page
from tests.support import NOON, milestone, milestone_id

pytestmark = pytest.mark.slow

UUID, OTHER_UUID = "862690f7-6570-4a15-acb8-58f49d496859", "17b70f39-2dd0-4497-a8f2-d68baff1abc2"
FEW = settings(max_examples=8)

Rows = list[tuple[Any, ...]]


class Warehouse:
    """A warehouse in memory that takes sweeps as the stages do, without pages on disk or a server."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        self.connection = connection
        self._folder = folder
        self._sweeps = 0

    def sweep(self, documents: dict[int, Any], type_: str = "game", *, discarding: tuple[str, ...] = ()) -> None:
        """One sweep that brings milestones with these details, by number."""
        self.sweep_of((milestone(number, type=type_, details=d) for number, d in documents.items()), discarding)

    def sweep_of(self, rows: Iterable[dict[str, Any]], discarding: tuple[str, ...] = ()) -> None:
        self._sweeps += 1
        records = [encoded(row) for row in rows]
        at = NOON + timedelta(hours=self._sweeps)
        staging = Staging(self._folder / f"{self._sweeps:06d}-{at:%Y%m%dT%H%M%SZ}")
        sweep_id = staging.folder.name
        body = page(*records)
        decoded = stage_records(staging, sweep_id, [Page(1, "/milestones?", None, None, at, len(records), body)])
        counts = compare.classify_records(self.connection, staging)
        compare.stage_updated_only(self.connection, staging)
        latest = compare.latest_of_sweep(self.connection, staging, sweep_id)
        flattened = stage_tables(staging, sweep_id, latest)
        assert (decoded.quarantined, flattened.refused) == (0, {})
        ledger = LedgerRow(
            sweep_id=sweep_id,
            mode="full",
            status="loaded",
            started_at=at,
            finished_at=at,
            filters="{}",
            pages=1,
            records=len(records),
            new=counts.new,
            changed=counts.changed,
            unchanged=counts.unchanged,
            superseded=counts.superseded,
        )
        assert load_sweep(self.connection, staging, ledger, Conclusions(discarding=discarding))

    def rebuild(self, *, versions_of_one_part: int = 250_000) -> None:
        stage = partial(rebuild.stage_whole_log, versions_of_one_part=versions_of_one_part)
        rebuild.rebuild(self.connection, Staging(self._folder / "rebuild"), stage=stage)

    def rows(self, query: str, *parameters: Any) -> Rows:
        return self.connection.execute(query, parameters).fetchall()

    def table(self, type_: str = "game") -> list[dict[str, Any]]:
        """Rows of a type's own table by milestone, values by the path that the catalogue gives their columns."""
        paths: dict[str, str] = dict(self.rows("SELECT column_name, path FROM details_fields WHERE type = ?", type_))
        cursor = self.connection.execute(f"SELECT * FROM {quote(typed_tables(self.connection)[type_])} ORDER BY 1")
        names = [column[0] for column in cursor.description or []]
        assert names[0] == "milestone_id"
        return [dict(zip([paths[name] for name in names[1:]], row[1:], strict=True)) for row in cursor.fetchall()]

    def types(self) -> dict[str, str]:
        """The type of every column, by path."""
        return dict(self.rows("SELECT path, sql_type FROM details_fields WHERE sql_type IS NOT NULL"))

    def fingerprint(self) -> dict[str, tuple[Rows, Rows]]:
        """Columns and rows of every derived table, the typed ones too."""
        typed = [row[0] for row in self.rows("SELECT table_name FROM duckdb_tables() WHERE table_name ^@ 'details_'")]
        names = {table.name for table in (*DERIVED_TABLES, EVIDENCE)} | set(typed)
        return {
            name: (self.rows(f"DESCRIBE {quote(name)}"), sorted(self.rows(f"FROM {quote(name)}"), key=repr))
            for name in names
        }


@contextmanager
def fresh() -> Iterator[Warehouse]:
    with TemporaryDirectory() as folder, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in (*PUBLISHED_TABLES, *PRIVATE_TABLES):
            table.create(connection.execute)
        yield Warehouse(connection, Path(folder))


@pytest.fixture
def empty() -> Iterator[Warehouse]:
    with fresh() as made:
        yield made


# Values


@pytest.mark.parametrize(
    ("details", "types", "rows"),
    [
        pytest.param(
            [{"a": 1}, {"a": Decimal("2.50")}, {"a": 2**53}],
            {"a": "DOUBLE"},
            [{"a": 1.0}, {"a": 2.5}, {"a": 2.0**53}],
            id="integer and fraction",
        ),
        pytest.param(
            [{"a": 1}, {"a": Decimal("2.50")}, {"a": "x"}, {"a": True}, {"a": None}, {}],
            {"a": "VARCHAR"},
            [{"a": "1"}, {"a": "2.50"}, {"a": "x"}, {"a": "true"}, {"a": None}, {"a": None}],
            id="scalars of every kind, digit for digit",
        ),
        pytest.param(
            [{"a": 2**64}, {"a": -(10**400)}, {"a": 2**53 + 1}, {"a": Decimal("0.1000000000000000000000001")}],
            {"a": "VARCHAR"},
            [
                {"a": "18446744073709551616"},
                {"a": f"-1{'0' * 400}"},
                {"a": "9007199254740993"},
                {"a": "0.1000000000000000000000001"},
            ],
            id="beyond 64 bits",
        ),
        pytest.param(
            [{"a": 2**62}, {"a": -(2**62)}], {"a": "BIGINT"}, [{"a": 2**62}, {"a": -(2**62)}], id="within 64 bits"
        ),
        pytest.param(
            [{"a": ["x", None, "y"]}, {"a": []}, {"a": None}, {}, {"a": [""]}],
            {"a": "VARCHAR[]"},
            [{"a": ["x", None, "y"]}, {"a": []}, {"a": None}, {"a": None}, {"a": [""]}],
            id="array of texts; empty, null, absent",
        ),
        pytest.param(
            [{"a": list(range(132))}, {"a": [1]}],
            {"a": "BIGINT[]"},
            [{"a": list(range(132))}, {"a": [1]}],
            id="places count as numbers, not as text",
        ),
        pytest.param(
            [{"a": [True, None]}, {"a": [False]}], {"a": "BOOLEAN[]"}, [{"a": [True, None]}, {"a": [False]}], id="flags"
        ),
        pytest.param(
            [{"a": []}, {"a": None}, {}], {"a": "VARCHAR"}, [{"a": "[]"}, {"a": None}, {"a": None}], id="only empty"
        ),
        pytest.param(
            [{"a": [{"x": 1}, []]}, {"a": [1]}, {"a": "text"}, {"a": []}, {"a": None}],
            {"a": "VARCHAR"},
            [{"a": '[{"x":1},[]]'}, {"a": "[1]"}, {"a": "text"}, {"a": "[]"}, {"a": None}],
            id="an array of anything is JSON text",
        ),
        pytest.param(
            [{"m": {UUID: OTHER_UUID}}, {"m": {}}, {"m": {"rank": 1}}, {"m": None}, {}],
            {"m": "VARCHAR"},
            [{"m": f'{{"{UUID}":"{OTHER_UUID}"}}'}, {"m": "{}"}, {"m": '{"rank":1}'}, {"m": None}, {"m": None}],
            id="ids for keys",
        ),
        pytest.param(
            [{"season": {"week": 0, "type": "REG"}}, {"season": {"sr_id": "sr:season:1"}}, {"season": None}],
            {"season.week": "BIGINT", "season.type": "VARCHAR", "season.sr_id": "VARCHAR"},
            [
                {"season.sr_id": None, "season.type": "REG", "season.week": 0},
                {"season.sr_id": "sr:season:1", "season.type": None, "season.week": None},
                {"season.sr_id": None, "season.type": None, "season.week": None},
            ],
            id="nested by path",
        ),
        pytest.param(
            [{"a": 1}, {"17": {"x": 1}, "a": 2}],
            {"": "VARCHAR", "a": "BIGINT"},
            [{"": '{"a":1}', "a": 1}, {"": '{"17":{"x":1},"a":2}', "a": 2}],
            id="an id for a key of details",
        ),
        pytest.param([{}, {"a": None}], {}, [{}, {}], id="nothing at all"),
    ],
)
def test_values(empty: Warehouse, details: list[Any], types: dict[str, str], rows: list[dict[str, Any]]) -> None:
    for number, one in enumerate(details):
        empty.sweep({number: one})
    assert empty.types() == types
    assert empty.table() == rows


def test_values_under_unusual_keys_are_read(empty: Warehouse) -> None:
    keys = [*NASTY_KEYS, "*", "[]", "a.[]", "~", "~1", "~01", "a/b", "$.x", "?", "#", "rowid", "select", "\ufffd"]
    document: dict[str, Any] = {"scalars": {}, "lists": {}, "texts": {}} | {
        key: f"top {key}" for key in keys if key not in IDS
    }
    del document["0"]
    for key in keys:
        if key != "0":
            document["scalars"][key], document["lists"][key], document["texts"][key] = f"v {key}", [key], [{"k": key}]
    empty.sweep({1: document})
    assert_found(empty, [document])
    assert len(empty.table()[0]) == 4 * (len(keys) - 1)


@FEW
@given(st.lists(documents, min_size=1, max_size=5))
def test_every_value_is_in_its_catalogued_column(found: list[Any]) -> None:
    with fresh() as made:
        made.sweep(dict(enumerate(found[:2])))
        made.sweep(dict(enumerate(found[2:], start=2)))
        assert_found(made, found)


def assert_found(made: Warehouse, found: list[Any]) -> None:
    """Every value of every document is in the column that the catalogue names, and no column has other values."""
    types = made.types()
    for document, row in zip(found, made.table(), strict=True):
        assert row.keys() == types.keys()
        covered = set()
        for path, stored in row.items():
            below = [leaf for leaf in leaves(document) if is_below(path, leaf.path)]
            node = value_at(document, path)
            if node in (None, {}):
                assert stored in (None, "{}")
            elif isinstance(node, dict) and stored is None:
                # A scalar elsewhere: this object's values must stand in columns of their own.
                continue
            elif types[path] == "VARCHAR" and isinstance(node, dict | list):
                assert rounded(json.loads(stored)) == rounded(node)
            elif isinstance(node, list):
                assert stored == [in_sql(item, types[path].removesuffix("[]")) for item in node]
            else:
                assert stored == in_sql(node, types[path])
            covered |= {leaf.path for leaf in below}
        assert {leaf.path for leaf in leaves(document) if leaf.value is not None} <= covered


def is_below(path: str, leaf: str) -> bool:
    steps = parse_path(path)
    return parse_path(leaf)[: len(steps)] == steps


def value_at(node: Any, path: str) -> Any:
    for step in parse_path(path):
        node = node.get(step) if isinstance(node, dict) else None
    return node


def in_sql(value: Any, sql_type: str) -> Any:
    if value is None:
        return None
    if sql_type == "VARCHAR":
        return value if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return float(value) if sql_type == "DOUBLE" else value


def rounded(node: Any) -> Any:
    """Numbers with a fraction as doubles: DuckDB writes JSON text so."""
    if isinstance(node, dict):
        return {key: rounded(child) for key, child in node.items()}
    if isinstance(node, list):
        return [rounded(child) for child in node]
    return ("double", repr(float(node))) if isinstance(node, Decimal | float) else (type(node), node)


# Order

CAME = {
    "a VARCHAR that gets containers": [{1: {"x": "s"}, 2: {"x": {}}}, {3: {"x": []}}],
    "a name that passes to another path": [{1: {"x": {"A": "1"}}, 2: {"x": "s"}}, {3: {"x": {"17": 1}, "x_a": "q"}}],
    "a name that must be shared": [{1: {"A": "1"}}, {2: {"a": "2"}}, {3: {"a ": "3"}}],
    "an object that turns out a map": [{1: {"m": {"x": 1}}}, {2: {"m": {UUID: 2}}}, {1: {"m": {"y": 3}}}],
    "details that turn out a map": [{1: {"x": 1}}, {2: {"17": 2}}, {3: {"y": [1]}}],
    "an array that turns out odd": [{1: {"a": []}}, {2: {"a": [1]}}, {3: {"a": ["x"]}}, {4: {"a": [[1]]}}],
    "too many keys": [{1: {f"k{n}": n for n in range(150)}}, {2: {f"k{n}": n for n in range(100, 250)}}],
    "a key with marks": [{1: {"a.[]": [1], "a": [2]}}, {2: {"a.[]": "x", "a[]": 1}}],
    "a key called rowid": [{1: {"rowid": 1}, 2: {"rowid": 2}}, {1: {"rowid": 3}}],
    "content that comes back": [{1: {"x": 1}}, {1: {"x": "s"}}, {1: {"x": 1}}],
    "nothing after something": [{1: {"x": 1}}, {1: {}}],
}


@pytest.mark.parametrize("sweeps", CAME.values(), ids=CAME)
def test_loading_sweep_by_sweep_equals_a_rebuild(empty: Warehouse, sweeps: list[dict[int, Any]]) -> None:
    for documents_by_number in sweeps:
        empty.sweep(documents_by_number)
    before = empty.fingerprint()
    empty.rebuild()
    assert empty.fingerprint() == before


def test_a_log_read_in_parts_gives_the_same_tables(empty: Warehouse) -> None:
    for sweep in range(3):
        empty.sweep({number: {"league": f"L{number % (sweep + 2)}", "round": sweep} for number in range(40)})
    before = empty.fingerprint()
    assert len(before["milestone_changes"][1]) > 40
    empty.rebuild(versions_of_one_part=9)
    assert empty.fingerprint() == before


@FEW
@given(st.lists(st.dictionaries(st.integers(1, 3), documents, min_size=1, max_size=3), min_size=2, max_size=3))
def test_any_sweeps_equal_a_rebuild(sweeps: list[dict[int, Any]]) -> None:
    with fresh() as made:
        for documents_by_number in sweeps:
            made.sweep(documents_by_number)
        before = made.fingerprint()
        made.rebuild()
        assert made.fingerprint() == before


@settings(max_examples=6)
@given(st.lists(documents, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_catalogue_does_not_depend_on_the_order_of_milestones(found: list[Any], chance: random.Random) -> None:
    numbered = list(enumerate(found))
    outcomes = []
    for batches in (1, 2):
        with fresh() as made:
            for number in range(batches):
                made.sweep(dict(numbered[number::batches]))
            catalogue = made.rows("SELECT * EXCLUDE (first_seen_at, last_seen_at, first_sweep_id) FROM details_fields")
            evidence = made.rows("SELECT type, path, kind, records, example FROM internal_evidence")
            outcomes.append((sorted(catalogue, key=repr), sorted(evidence, key=repr), made.table()))
        chance.shuffle(numbered)
    assert outcomes[0] == outcomes[1]


# Types


def test_types_of_any_name_have_distinct_tables(empty: Warehouse) -> None:
    types = [type_ for type_ in NASTY_TYPES if type_]
    for part in (types[::2], types[1::2]):
        numbers = {type_: types.index(type_) for type_ in part}
        empty.sweep_of(milestone(n, type=type_, details={"n": n, "of": type_}) for type_, n in numbers.items())
    tables = typed_tables(empty.connection)
    assert tables.keys() == set(types)
    assert len({name.lower() for name in tables.values()} - {"details_fields"}) == len(types)
    for number, type_ in enumerate(types):
        assert empty.table(type_) == [{"n": number, "of": type_}]
    names = {row[0] for row in empty.rows("SELECT table_name FROM duckdb_tables() WHERE table_name ^@ 'details_'")}
    assert names == {*tables.values(), "details_fields"}, "tables under names that were given up are gone"
    before = empty.fingerprint()
    empty.rebuild()
    assert empty.fingerprint() == before


def test_a_table_name_goes_to_the_type_that_is_spelled_like_it(empty: Warehouse) -> None:
    empty.sweep({1: {"x": 1}}, "Companies")
    assert typed_tables(empty.connection) == {"Companies": "details_companies"}
    empty.sweep({2: {"y": "2"}}, "companies")
    assert empty.rows("SELECT milestone_id, y FROM details_companies") == [(milestone_id(2), "2")]
    assert empty.table("Companies") == [{"x": 1}]


def test_a_type_without_milestones_keeps_its_empty_table(empty: Warehouse) -> None:
    empty.sweep({1: {"x": 1}}, "one")
    empty.sweep({1: {"x": 1}}, "two")
    assert empty.table("one") == []
    assert empty.table("two") == [{"x": 1}]


def test_a_rebuild_drops_evidence_that_the_log_does_not_have(empty: Warehouse) -> None:
    empty.sweep({1: {"x": 1}})
    before = empty.fingerprint()
    empty.rows("CREATE TABLE details_ghost (milestone_id VARCHAR)")
    empty.rows(
        "INSERT INTO details_fields "
        "SELECT * REPLACE ('ghost' AS type, 'details_ghost' AS table_name) FROM details_fields"
    )
    empty.rows("UPDATE details_fields SET kinds = 'wrong', records = 77 WHERE type = 'game'")
    empty.rows("ALTER TABLE details_game ADD COLUMN mine VARCHAR")
    empty.rebuild()
    assert empty.fingerprint() == before


def test_the_columns_of_every_typed_table_are_listed(empty: Warehouse) -> None:
    empty.sweep({1: {"a": 1, "b": ["x"]}}, "game")
    empty.sweep({2: {}}, "chess")
    assert typed_columns(empty.connection) == {
        "details_chess": {},
        "details_game": {"a": "BIGINT", "b": "VARCHAR[]"},
    }


def test_column_comments_name_the_field(empty: Warehouse) -> None:
    empty.sweep({1: {"it's": {"x": 1}, "m": {"17": 1}}})
    rows = empty.rows("SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'details_game' ORDER BY 1")
    assert rows == [("it_s_x", '"it\'s".x as scalar'), ("m", "m as text"), ("milestone_id", None)]


# Contracts


def test_discarded_fields_stay_discarded_and_other_fields_are_added(empty: Warehouse) -> None:
    empty.sweep({1: {"x": 1}})
    empty.sweep({2: {"x": "s", "y": 1, "m": {"17": 1}}}, discarding=("game",))
    assert empty.types() == {"x": "BIGINT"}
    assert empty.table() == [{"x": 1}, {"x": None}]
    empty.sweep({3: {"y": 2, "z": 3}})
    assert empty.types() == {"x": "BIGINT", "z": "BIGINT"}
    before = empty.fingerprint()
    empty.rebuild()
    assert empty.fingerprint() == before


# Size


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda n: f"v{n}", id="texts"),
        pytest.param(lambda n: [n, n], id="lists"),
        pytest.param(lambda n: [{"a": n}], id="JSON texts"),
    ],
)
def test_a_table_with_the_maximum_number_of_columns(empty: Warehouse, make: Callable[[int], Any]) -> None:
    half = MAX_COLUMNS // 2
    empty.sweep({1: {group: {f"k{n}": make(n) for n in range(half)} for group in ("g", "h")}})
    assert len(empty.types()) == MAX_COLUMNS
    empty.sweep({2: {"one": {"more": make(1)}}})
    assert empty.types() == {"g": "VARCHAR", "h": "VARCHAR", "one": "VARCHAR"}


def test_a_record_with_thousands_of_keys_is_loaded(empty: Warehouse) -> None:
    many = {f"g{group}": {f"k{n}": n for n in range(150)} for group in range(40)}
    empty.sweep({1: {"x": 1}, 2: many})
    assert len(empty.types()) == 41
    assert empty.rows("SELECT count(*) FROM details_fields") == [(40 * 150 + 41,)]
    assert json.loads(empty.rows("SELECT g39 FROM details_game ORDER BY 1 NULLS LAST")[0][0]) == many["g39"]


def test_a_type_pivoted_in_parts_gives_the_same_rows(empty: Warehouse) -> None:
    empty.sweep({number: {"league": f"L{number % 3}", "teams": [f"t{number}"]} for number in range(50)})
    known, whole = empty.types(), empty.fingerprint()
    assert known
    refresh(empty.connection, ["game"], None, rows_of_one_pivot=7)
    assert empty.fingerprint() == whole
