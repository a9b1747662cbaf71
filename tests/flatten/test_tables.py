"""Records to rows: every column of a record written by hand, and whatever decoding lets through can be flattened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.flatten.events import main_event_ticker
from pipelines.flatten.tables import flatten, is_from_the_future, is_simulated
from pipelines.flatten.validate import breaches
from pipelines.records.canonical import canonical_json
from pipelines.records.decode import Record, decode_page
from pipelines.records.rfc3339 import parse_rfc3339
from schemas.api import object_decoder
from schemas.tables import FLAT_TABLES, LATEST
from tests.flatten.inverse import count_leaves, rebuild
from tests.records.recorded import recorded_pages
from tests.records.samples import (
    ABSENT,
    encoded,
    in_order,
    milestone,
    objects,
    page,
    parse,
    render,
    texts,
    with_details,
)
from tests.records.test_decode import mutated
from tests.schemas.rows import good_rows, to_arrow

TABLES = {table.name: table for table in FLAT_TABLES}
UUID = "862690f7-6570-4a15-acb8-58f49d496859"
SEEN, CHANGED, VANISHED = 1_000_001, 2_000_002, 3_000_003


def latest(*bodies: bytes) -> pa.Table:
    """What flattening reads, from records as they come; those that decoding refuses are left out."""
    records = [record for record in decode_page(page(*bodies)) if isinstance(record, Record)]
    of_the_log = good_rows(LATEST)[0] | {"first_seen_at": SEEN, "last_changed_at": CHANGED, "vanished_at": VANISHED}
    return to_arrow(
        LATEST,
        [
            of_the_log
            | {
                "milestone_id": record.key,
                "content_hash": record.content_hash,
                "last_updated_ts": record.last_updated_ts,
                "record": record.text,
            }
            for record in records
        ],
    )


def flat(*records: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Rows by table, times as microseconds."""
    tables = flatten(latest(*map(encoded, records)))
    return {name: _rows(table) for name, table in tables.items()}


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    columns = [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in table.columns
    ]
    return [dict(zip(table.column_names, row, strict=True)) for row in zip(*columns, strict=True)]


def milestone_row(**changes: Any) -> dict[str, Any]:
    [row] = flat(milestone(**changes))["milestones"]
    return row


def test_every_column_of_a_milestone() -> None:
    sent = milestone(
        category="mentions",
        details={"status": "closed", "main_game_event_ticker": "KXMAIN-1", "a": parse("1.10"), "tour": "ATP"},
        unknown={"b": 1, "a": 2},
        product_details=None,
    )
    [record] = decode_page(page(encoded(sent)))
    assert isinstance(record, Record)
    assert flat(sent)["milestones"] == [
        {
            "milestone_id": "0a6bb6d2-1f0e-4c2a-9d0b-3a9c1f6f0001",
            "category": "mentions",
            "category_group": "Mentions",
            "type": "football_game",
            "title": "Café at Łódź",
            "start_date": 1_789_687_800_000_000,
            "end_date": 1_789_701_072_500_000,
            "notification_message": "It begins",
            "source_id": "sr:sport_event:1",
            "main_event_ticker": "KXMAIN-1",
            "league": "ATP",
            "status": "closed",
            "status_group": "ended",
            "details": '{"a":1.10,"main_game_event_ticker":"KXMAIN-1","status":"closed","tour":"ATP"}',
            "extra": '{"product_details":null,"unknown":{"a":2,"b":1}}',
            "last_updated_ts": 1_789_431_709_771_700,
            "is_simulated": False,
            "has_placeholder_dates": False,
            "start_is_tentative": False,
            "has_future_update": True,
            "content_hash": record.content_hash,
            "first_seen_at": SEEN,
            "last_changed_at": CHANGED,
            "vanished_at": VANISHED,
        }
    ]


def test_every_row_of_a_milestone_in_the_other_tables() -> None:
    sent = milestone(
        id="m",
        details={"main_game_event_ticker": "KXA-1", "weeks": [0], "home_team_id": UUID},
        source_ids={"source_1_id": "x"},
    )
    found = flat(sent)
    assert found["milestone_events"] == [
        {
            "milestone_id": "m",
            "event_ticker": ticker,
            "is_related": True,
            "is_primary": ticker == "KXB-2",
            "is_main": ticker == "KXA-1",
            "related_position": place,
            "primary_position": 0 if ticker == "KXB-2" else None,
        }
        for place, ticker in enumerate(["KXA-1", "KXB-2", "KXC-3"])
    ]
    assert found["milestone_sources"] == [{"milestone_id": "m", "provider": "source_1_id", "provider_id": "x"}]
    columns = ("milestone_id", "path", "field", "kind", "value", "value_number")
    assert [tuple(row[column] for column in columns) for row in found["milestone_details"]] == [
        ("m", "home_team_id", "home_team_id", "string", UUID, None),
        ("m", "main_game_event_ticker", "main_game_event_ticker", "string", "KXA-1", None),
        ("m", "weeks[0]", "weeks[]", "integer", "0", 0.0),
    ]
    of_entities = ("milestone_id", "role", "position", "entity_id")
    assert [tuple(row[column] for column in of_entities) for row in found["milestone_entities"]] == [
        ("m", "home", 0, UUID)
    ]


@pytest.mark.parametrize(
    ("end_date", "expected"),
    [
        pytest.param(ABSENT, None, id="absent"),
        pytest.param(None, None, id="null"),
        pytest.param("2026-09-18T03:11:12.5Z", 1_789_701_072_500_000, id="time"),
        pytest.param("0001-01-01T00:00:00Z", None, id="zero time"),
    ],
)
def test_forms_of_end_date(end_date: Any, expected: int | None) -> None:
    assert milestone_row(end_date=end_date)["end_date"] == expected


def test_a_zero_start_is_null() -> None:
    row = milestone_row(start_date="0001-01-01T00:00:00Z", last_updated_ts="0001-01-01T00:00:00Z")
    assert (row["start_date"], row["last_updated_ts"]) == (None, None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, False, id="an ordinary day"),
        pytest.param({"start_date": "2000-01-01T00:00:00Z"}, True, id="start"),
        pytest.param({"end_date": "2000-01-02T00:00:00Z"}, True, id="end"),
        pytest.param({"end_date": "2000-01-02T23:59:59.999999Z"}, True, id="last microsecond"),
        pytest.param({"end_date": "2000-01-03T00:00:00Z"}, False, id="the day after"),
        pytest.param({"start_date": "1999-12-31T23:59:59.999999Z"}, False, id="the day before"),
        pytest.param({"start_date": "1999-12-31T23:00:00-05:00"}, True, id="in UTC"),
        pytest.param({"start_date": "0001-01-01T00:00:00Z", "end_date": None}, False, id="never"),
    ],
)
def test_placeholder_dates(changes: dict[str, Any], expected: bool) -> None:
    assert milestone_row(**changes)["has_placeholder_dates"] is expected


@pytest.mark.parametrize(
    ("details", "tickers", "expected"),
    [
        pytest.param({}, [], False, id="nothing"),
        pytest.param({}, ["SIMNBAGAME"], True, id="basketball"),
        pytest.param({}, ["KXA-1", "SIMNCAAFGAME"], True, id="among others"),
        pytest.param({}, ["SIMNFLGAME-26NOV29AB"], True, id="with a suffix"),
        pytest.param({}, ["SIMUFLGAME-26NOV29-2"], True, id="with a suffix of several parts"),
        pytest.param({}, ["SIMNFLGAME-"], True, id="with an empty suffix"),
        pytest.param({}, ["SIMNFLGAME26NOV29"], False, id="with a suffix without hyphen"),
        pytest.param({}, ["SIMNFLSPREAD-26NOV29AB"], False, id="no game"),
        pytest.param({}, ["SIMPLEGAME", "SIMPLEGAME-26", "KXSIMONEGAME-26", "SIMONEGAME"], False, id="words"),
        pytest.param({}, ["KX-SIMNBAGAME-26"], False, id="after a hyphen"),
        pytest.param({"session_id": "x"}, ["KXA-1"], True, id="session"),
        pytest.param({}, ["SIMGAME"], False, id="no sport"),
        pytest.param({}, ["KXSIMNBAGAME"], False, id="in the middle"),
        pytest.param({}, ["SIMNBAGAMES"], False, id="longer"),
        pytest.param({}, ["simnbagame"], False, id="lower case"),
        pytest.param({}, ["SIMNBAGAME\n"], False, id="line end"),
        pytest.param({"season": {"session_id": "x"}}, [], False, id="session deeper down"),
    ],
)
def test_simulated_games(details: dict[str, Any], tickers: list[str], expected: bool) -> None:
    assert is_simulated(details, tickers) is expected
    assert milestone_row(details=details, related_event_tickers=tickers, primary_event_tickers=[])["is_simulated"] is (
        expected
    )


def test_a_simulated_ticker_counts_in_any_of_the_three_places() -> None:
    none: dict[str, Any] = {"related_event_tickers": [], "primary_event_tickers": [], "details": {}}
    for place in (
        {"related_event_tickers": ["SIMUFLGAME"]},
        {"primary_event_tickers": ["SIMUFLGAME"]},
        {"details": {"main_game_event_ticker": "SIMUFLGAME"}},
        {"details": {"main_game_event_ticker": "SIMUFLGAME-26NOV29AB"}},
    ):
        assert milestone_row(**(none | place))["is_simulated"] is True


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, False, id="nothing says so"),
        pytest.param({"details": {"status": "time-tbd"}}, True, id="the status"),
        pytest.param({"details": {"status": "Toss Delayed due to bad weather"}}, True, id="free text"),
        pytest.param({"details": {"status": "scheduled"}}, False, id="another status"),
        pytest.param({"start_date": "0001-01-01T00:00:00Z"}, True, id="no start"),
        pytest.param({"start_date": "2000-01-01T00:00:00Z"}, True, id="a placeholder start"),
        pytest.param({"end_date": "2000-01-02T00:00:00Z"}, False, id="a placeholder end"),
        pytest.param({"start_date": "2026-11-29T05:00:00Z"}, False, id="midnight in New York"),
        pytest.param({"start_date": "2026-11-29T00:00:00Z"}, False, id="midnight in UTC"),
    ],
)
def test_tentative_starts(changes: dict[str, Any], expected: bool) -> None:
    assert milestone_row(**({"details": {}} | changes))["start_is_tentative"] is expected


@pytest.mark.parametrize(
    ("source_ids", "expected"),
    [
        pytest.param(ABSENT, [], id="absent"),
        pytest.param(None, [], id="null"),
        pytest.param({}, [], id="empty"),
        pytest.param(
            {"source_6_id": "6", "source_1_id": "1", "source_3_id": "3", "source_2_id": ""},
            [("source_1_id", "1"), ("source_2_id", ""), ("source_3_id", "3"), ("source_6_id", "6")],
            id="four",
        ),
    ],
)
def test_source_ids(source_ids: Any, expected: list[tuple[str, str]]) -> None:
    rows = flat(milestone(source_ids=source_ids))["milestone_sources"]
    assert [(row["provider"], row["provider_id"]) for row in rows] == expected


@pytest.mark.parametrize(
    ("changes", "column", "expected"),
    [
        pytest.param({}, "extra", None, id="no unknown field"),
        pytest.param({"unknown": {}}, "extra", '{"unknown":{}}', id="one unknown field"),
        pytest.param({"source_id": ABSENT}, "source_id", None, id="source_id absent"),
        pytest.param({"source_id": None}, "source_id", None, id="source_id null"),
        pytest.param({"source_id": ""}, "source_id", "", id="source_id empty"),
        pytest.param({"details": {"status": 7}}, "status", None, id="status is no text"),
        pytest.param({"details": {"status": None}}, "status", None, id="status null"),
        pytest.param({"details": {}}, "status", None, id="no status"),
        pytest.param({"details": {}}, "status_group", None, id="no group without a status"),
        pytest.param({"details": {"status": 7}}, "status_group", None, id="no group where the status is no text"),
        pytest.param({"details": {"status": "P"}}, "status_group", "unknown", id="status unknown"),
        pytest.param({"details": {}}, "league", None, id="no league"),
        pytest.param({"details": {}}, "details", "{}", id="empty details"),
        pytest.param({"category": "Chess"}, "category_group", "Chess", id="category of no group"),
        pytest.param({"category": ""}, "category_group", "", id="empty category"),
    ],
)
def test_columns_that_may_be_missing(changes: dict[str, Any], column: str, expected: str | None) -> None:
    assert milestone_row(**changes)[column] == expected


SENT = "2026-11-20T08:30:00.25Z"
SENT_US = parse_rfc3339(SENT) or 0
MINUTE_US = 60_000_000


@pytest.mark.parametrize(
    ("sent", "updated", "fetched", "expected"),
    [
        (SENT, SENT_US, SENT_US + 1, False),
        (SENT, SENT_US, SENT_US - MINUTE_US, False),
        (SENT, SENT_US, SENT_US - MINUTE_US - 1, True),
        (SENT, SENT_US + 1, SENT_US - MINUTE_US - 1, False),
        ("2026-11-20T09:30:00.250000+01:00", SENT_US, 0, True),
        ("0001-01-01T00:00:00Z", None, 0, False),
        ("0001-01-01T00:00:00Z", SENT_US, 0, False),
    ],
    ids=["past", "a minute ahead", "more", "moved on since", "another zone", "zero", "zero, moved on since"],
)
def test_updates_from_the_future(sent: str, updated: int | None, fetched: int, expected: bool) -> None:
    assert is_from_the_future(sent, updated, fetched) is expected


@pytest.mark.parametrize("details", [None, ABSENT], ids=["null", "absent"])
def test_missing_details_are_null_and_one_leaf(details: Any) -> None:
    tables = flat(milestone(details=details))
    [row] = tables["milestones"]
    assert (row["details"], row["status"], row["main_event_ticker"]) == (None, None, None)
    assert tables["milestone_entities"] == []
    [leaf] = tables["milestone_details"]
    assert (leaf["path"], leaf["field"], leaf["kind"], leaf["value"]) == ("", "", "null", None)
    for table in FLAT_TABLES:
        assert breaches(table, flatten(latest(encoded(milestone(details=details))))[table.name]) == []


def test_null_arrays_are_empty() -> None:
    sent = milestone(related_event_tickers=None, primary_event_tickers=None, details={})
    assert flat(sent)["milestone_events"] == []


def test_an_empty_batch_makes_typed_empty_tables() -> None:
    tables = flatten(latest())
    assert list(tables) == [table.name for table in FLAT_TABLES]
    for name, table in tables.items():
        assert table.num_rows == 0
        assert table.schema.equals(TABLES[name].arrow_schema)


def test_rows_come_in_the_order_of_the_input_and_in_any_chunks() -> None:
    batch = latest(*(encoded(milestone(id=name, details={"home_team_id": UUID})) for name in "cabd"))
    chunked = pa.concat_tables([batch.slice(0, 1), batch.slice(1, 0), batch.slice(1)])
    for name, table in flatten(chunked).items():
        assert table.equals(flatten(batch)[name])
        assert list(dict.fromkeys(table["milestone_id"].to_pylist())) == list("cabd")


def test_recorded_milestones_make_valid_rows(payloads: Path) -> None:
    seen: dict[str, dict[str, Any]] = {}
    for body in recorded_pages(payloads):
        sent = parse(body)["milestones"]
        tables = flatten(latest(*map(encoded, sent)))
        for name, table in tables.items():
            assert breaches(TABLES[name], table) == []
        for milestone_sent, row in zip(sent, _rows(tables["milestones"]), strict=True):
            assert parse(row["details"]) == milestone_sent["details"]
            assert row["extra"] is None
            seen[row["milestone_id"]] = row
        assert tables["milestone_details"].num_rows == sum(count_leaves(record["details"]) for record in sent)
    assert seen["c06cc9ff-7f0d-5104-837e-4d7301fc4fa9"]["has_placeholder_dates"] is True
    assert seen["a852dcb8-dc87-4c25-8b9a-c007ca70ee2e"]["end_date"] is None
    assert seen["93ce8b69-d3db-412d-b41e-a245a271adcc"]["is_simulated"] is True
    assert seen["93ce8b69-d3db-412d-b41e-a245a271adcc"]["league"] == "NBA"
    assert [row["title"] for row in seen.values() if row["status_group"] == "unknown"] == []


@pytest.mark.slow
@settings(max_examples=25)  # validation takes 25 ms a table, few rows or many
@given(st.lists(mutated(), min_size=1, max_size=20))
def test_every_decoded_record_can_be_flattened(records: list[dict[str, Any]]) -> None:
    batch = latest(*map(encoded, records))
    tables = flatten(batch)
    assert tables["milestones"]["milestone_id"].to_pylist() == batch["milestone_id"].to_pylist()
    for table in FLAT_TABLES:
        assert tables[table.name].schema.equals(table.arrow_schema)
        breaches(table, tables[table.name])  # which may well be found: it must run
    for record, row in zip(batch["record"].to_pylist(), _rows(tables["milestones"]), strict=True):
        whole = object_decoder.decode(record)
        if whole.get("details") is None:
            assert row["details"] is None
        else:
            assert row["details"] == canonical_json(whole["details"]).decode()
            assert row["details"] in record
        assert row["main_event_ticker"] == main_event_ticker(whole.get("details") or {})
        assert row["start_date"] == parse_rfc3339(whole["start_date"])


@pytest.mark.slow
@given(st.from_regex(r"-?(0|[1-9][0-9]{0,9})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_the_text_of_details_is_part_of_the_text_of_the_record(number: str) -> None:
    batch = latest(with_details(f'{{"n":{number}}}'.encode()))
    [row] = _rows(flatten(batch)["milestones"])
    assert row["details"] in batch["record"][0].as_py()


@pytest.mark.slow
@settings(max_examples=40)
@given(st.lists(st.tuples(objects, texts), min_size=1, max_size=3))
def test_details_can_be_rebuilt_from_parquet_and_duckdb(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[dict[str, Any], str]]
) -> None:
    folder = tmp_path_factory.mktemp("parquet")
    bodies = [encoded(milestone(id=f"m{at}", details=details, title=title)) for at, (details, title) in enumerate(sent)]
    with duckdb.connect() as connection:
        for name, table in flatten(latest(*bodies)).items():
            pq.write_table(table, folder / f"{name}.parquet")
            connection.execute(TABLES[name].ddl)
            connection.execute(f"INSERT INTO {name} BY NAME FROM read_parquet(?)", [str(folder / f"{name}.parquet")])
        for at, (details, title) in enumerate(sent):
            rows = connection.execute(
                "SELECT path, kind, value FROM milestone_details WHERE milestone_id = ? ORDER BY rowid", [f"m{at}"]
            ).fetchall()
            assert render(rebuild(rows)) == render(in_order(details))
            assert connection.execute(
                "SELECT details, title FROM milestones WHERE milestone_id = ?", [f"m{at}"]
            ).fetchall() == [(canonical_json(object_decoder.decode(encoded(details))).decode(), title)]
            [(count,)] = connection.execute("SELECT count(*) FROM milestones WHERE title = ?", [title]).fetchall()
            assert count == sum(title == other for _, other in sent)
