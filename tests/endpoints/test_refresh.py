"""Sweeps of endpoints: what is stored, counted, refused, continued and resumed, with an API in memory."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import duckdb
import msgspec
import pytest

from pipelines.endpoints.plan import may_be_unknown
from pipelines.endpoints.refresh import MilestonesUnpublished
from pipelines.errors import WarehouseBusy
from pipelines.kalshi.errors import BadRequest, FilterIgnored, InvalidCursor, Unreachable
from pipelines.reading.connection import NothingPublished
from pipelines.staging.files import Staging
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.storage.lock import endpoint_lock, holder, writer_lock
from pipelines.warehouse.database import Warehouse
from pipelines.warehouse.rebuild import rebuild
from schemas.endpoint import Endpoint
from schemas.endpoints import ENDPOINT_DERIVED_TABLES
from schemas.events import EVENTS
from schemas.live_data import LIVE_ENDPOINT
from schemas.series import SERIES
from schemas.targets import TARGETS
from tests.endpoints.conftest import EndpointHome
from tests.support import Clock, milestone, milestone_id, team_id

pytestmark = pytest.mark.slow

MakeHome = Callable[..., EndpointHome]


def target(number: int, **fields: Any) -> dict[str, Any]:
    row = {
        "id": team_id(number),
        "name": f"Team {number}",
        "type": "football_team",
        "details": {"short_name": f"T{number}", "abbreviation": f"T{number}", "league": "NFL"},
        "source_id": f"sr:competitor:{number}",
        "last_updated_ts": "2026-11-01T10:00:00.5Z",
    } | fields
    return {name: value for name, value in row.items() if value is not ...}


def event(ticker: str, **fields: Any) -> dict[str, Any]:
    row = {
        "event_ticker": ticker,
        "series_ticker": "KXGAME",
        "title": f"Title of {ticker}",
        "sub_title": "On Sunday",
        "collateral_return_type": "MECNET",
        "mutually_exclusive": True,
        "strike_date": "",
        "product_metadata": {"competition": "NFL", "competition_scope": "Game"},
        "settlement_sources": None,
        "last_updated_ts": "2026-11-20T10:00:00Z",
    } | fields
    return {name: value for name, value in row.items() if value is not ...}


def test_the_first_sweep_of_targets_reads_the_list_and_then_what_it_lacks(make_home: MakeHome) -> None:
    home = make_home(milestone(1), milestone(2))
    home.api.records["targets"] = [target(1), target(7, name="Not named")]
    row = home.run(TARGETS)
    assert (row.mode, row.records, row.new, row.requested_keys, row.unknown_keys) == ("full", 2, 2, 1, 1)
    assert [request.partition("?")[0] for request in home.api.requests] == ["/structured_targets"] * 2
    assert "ids" not in home.api.requests[0]
    assert f"ids={team_id(2)}" in home.api.requests[1]
    assert home.rows("SELECT target_id, name, short_name, abbreviation, league FROM structured_targets ORDER BY 1") == [
        (team_id(1), "Team 1", "T1", "T1", "NFL"),
        (team_id(7), "Not named", "T7", "T7", "NFL"),
    ]
    assert home.rows("SELECT endpoint, key, times_asked FROM unknown_keys") == [("targets", team_id(2), 1)]


def test_known_and_unknown_keys_are_not_requested_again_before_a_day(make_home: MakeHome) -> None:
    home = make_home()
    home.api.records["targets"] = [target(1)]
    home.run(TARGETS)
    assert home.refresh(TARGETS).plan().is_empty
    assert home.refresh(TARGETS).run(home.client) is None
    home.clock.forward(days=1, minutes=1)
    assert home.refresh(TARGETS).plan().keys == [team_id(2)]
    row = home.run(TARGETS)
    assert (row.mode, row.records, row.unknown_keys) == ("by_key", 0, 1)
    assert home.rows("SELECT times_asked, last_asked_at > first_asked_at FROM unknown_keys") == [(2, True)]
    home.clock.forward(days=1, minutes=1)
    home.api.records["targets"] += [target(2)]
    assert home.run(TARGETS).new == 1
    assert home.rows("SELECT count(*) FROM unknown_keys") == [(0,)]
    home.clock.forward(days=7)
    assert home.run(TARGETS).mode == "full"


def test_plans_are_made_only_if_something_may_be_unknown(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    kept = [TARGETS, SERIES]
    home.api.records = {"targets": [target(1)], "series": [{"ticker": "A"}]}
    assert may_be_unknown(home.home, kept)
    home.run(TARGETS)
    home.run(SERIES)
    # The newest sweep brought a milestone.
    assert may_be_unknown(home.home, kept)
    home.shell.sweep(mode="incremental")
    home.shell.stages.publish()
    assert not may_be_unknown(home.home, kept)
    assert may_be_unknown(home.home, [*kept, EVENTS])
    home.run(EVENTS, max_requests=1)
    assert home.rows("SELECT remaining_keys FROM endpoint_sweeps WHERE endpoint = 'events'") == [(0,)]
    assert not may_be_unknown(home.home, [*kept, EVENTS])


def test_a_renamed_target_makes_a_version_and_an_update_without_change_does_not(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1)]
    home.run(TARGETS)
    first = home.rows("SELECT first_seen_at, last_changed_at FROM structured_targets")[0]
    home.clock.forward(days=8)
    home.api.records["targets"] = [target(1, last_updated_ts="2026-11-30T10:00:00Z")]
    row = home.run(TARGETS)
    assert (row.new, row.changed, row.unchanged) == (0, 0, 1)
    assert home.rows("SELECT CAST(last_updated_ts AS VARCHAR)[:10], last_changed_at FROM structured_targets") == [
        ("2026-11-30", first[1])
    ]
    home.clock.forward(days=8)
    home.api.records["targets"] = [target(1, name="A's", last_updated_ts="2026-12-08T10:00:00Z")]
    assert home.run(TARGETS).changed == 1
    assert home.rows("SELECT name, first_seen_at, last_changed_at > first_seen_at FROM structured_targets") == [
        ("A's", first[0], True)
    ]
    versions = home.rows("SELECT version, is_current, record ->> '$.name' FROM structured_target_versions ORDER BY 1")
    assert versions == [(1, False, "Team 1"), (2, True, "A's")]
    assert home.rows(
        "SELECT count(*) FROM structured_target_versions AS a JOIN structured_target_versions AS b "
        "ON a.version = 1 AND b.version = 2 AND a.valid_to = b.valid_from"
    ) == [(1,)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": 7}, "Expected `str`, got `int`"),
        ({"id": ...}, "Object missing required field `id`"),
        ({"id": ""}, "breaks a rule: target_id is not the empty string"),
        ({"name": ["x"]}, "Expected `str | null`, got `array`"),
        ({"details": []}, "Expected `object | null`, got `array`"),
        ({"last_updated_ts": "yesterday"}, "not an RFC 3339 time"),
    ],
)
def test_a_refused_target_goes_to_quarantine_whole(make_home: MakeHome, fields: dict[str, Any], reason: str) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1), target(2, **fields)]
    row = home.run(TARGETS)
    assert (row.records, row.new, row.quarantined) == (2, 1, 1)
    ((endpoint, said, record),) = home.rows("SELECT endpoint, reason, record FROM endpoint_quarantine")
    assert endpoint == "targets"
    assert reason in said
    assert '"Team 2"' in record or '"name":["x"]' in record
    assert home.rows("SELECT count(*) FROM structured_targets") == [(1,)]


def test_every_field_of_a_target_may_be_absent_or_null(make_home: MakeHome) -> None:
    home = make_home(milestone(1), milestone(2))
    nulls = dict.fromkeys(("name", "type", "details", "source_id", "source_ids", "last_updated_ts"))
    home.api.records["targets"] = [{"id": team_id(1)}, {"id": team_id(2)} | nulls]
    row = home.run(TARGETS)
    assert (row.new, row.quarantined) == (2, 0)
    columns = "type, name, short_name, abbreviation, league, details, source_id, extra, last_updated_ts"
    assert home.rows(f"SELECT {columns} FROM structured_targets") == [(None,) * 9] * 2


def test_unknown_fields_and_source_ids_are_kept(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1, mascot={"name": "Bo"}, source_ids={"source_3_id": "sr:1", "b": "2"})]
    home.run(TARGETS)
    assert home.rows("SELECT extra FROM structured_targets") == [('{"mascot":{"name":"Bo"}}',)]
    assert home.rows("SELECT provider, provider_id FROM structured_target_sources ORDER BY 1") == [
        ("b", "2"),
        ("source_3_id", "sr:1"),
    ]
    home.clock.forward(days=8)
    home.api.records["targets"] = [target(1)]
    home.run(TARGETS)
    assert home.rows("SELECT count(*) FROM structured_target_sources") == [(0,)]


def test_events_are_requested_by_ticker_and_then_by_update(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["events"] = [event("KXGAME-1"), event("KXSPREAD-1", series_ticker=...), event("KXOTHER-1")]
    row = home.run(EVENTS)
    assert (row.mode, row.new, row.requested_keys) == ("by_key", 2, 2)
    assert row.watermark is None
    assert home.rows("SELECT event_ticker, series_ticker, competition, strike_date FROM events ORDER BY 1") == [
        ("KXGAME-1", "KXGAME", "NFL", None),
        ("KXSPREAD-1", None, "NFL", None),
    ]
    home.clock.forward(minutes=10)
    later = f"{home.clock.time:%Y-%m-%dT%H:%M:%SZ}"
    home.api.records["events"][0] = event("KXGAME-1", series_ticker="KXMOVED", last_updated_ts=later)
    row = home.run(EVENTS)
    assert (row.mode, row.records, row.changed) == ("incremental", 1, 1)
    assert "min_updated_ts=" in home.api.requests[-1]
    assert home.rows("SELECT series_ticker FROM events WHERE event_ticker = 'KXGAME-1'") == [("KXMOVED",)]
    assert home.rows("SELECT record ->> '$.series_ticker' FROM event_versions WHERE event_ticker = 'KXGAME-1'") == [
        ("KXGAME",),
        ("KXMOVED",),
    ]


def test_the_requests_of_a_sweep_are_limited_and_the_next_one_goes_on(make_home: MakeHome) -> None:
    home = make_home(*(milestone(number, related_event_tickers=[f"E-{number}-{'x' * 990}"],
                                 primary_event_tickers=[]) for number in range(1, 31)))  # fmt: skip
    home.api.records["events"] = [event(f"E-{number}-{'x' * 990}") for number in range(1, 31)]
    row = home.run(EVENTS, max_requests=2)
    assert all(len(request) < 6_200 for request in home.api.requests)
    assert (row.requests, row.requested_keys, row.remaining_keys) == (2, 12, 18)
    # The latest milestones come first.
    assert home.rows("SELECT min(CAST(split_part(event_ticker, '-', 2) AS INT)) FROM events") == [(19,)]
    home.run(EVENTS, max_requests=2)
    assert home.run(EVENTS, max_requests=3).remaining_keys == 0
    assert home.rows("SELECT count(*) FROM events") == [(30,)]


def test_a_list_that_is_cut_short_goes_on_at_its_cursor(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    small = _with_pages_of(TARGETS, 2)
    home.api.records["targets"] = [target(number) for number in range(1, 8)]
    first = home.run(small, max_requests=2)
    assert (first.new, first.next_cursor, first.watermark) == (4, team_id(4), None)
    second = home.run(small, max_requests=2)
    assert (second.new, second.next_cursor) == (3, None)
    assert second.watermark == second.list_began_at == first.list_began_at
    assert home.refresh(small).plan().is_empty


def test_a_cursor_that_has_expired_starts_the_list_again(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    small = _with_pages_of(TARGETS, 2)
    home.api.records["targets"] = [target(number) for number in range(1, 6)]
    home.run(small, max_requests=1)

    def refuse_once(_: Endpoint, parameters: Any) -> None:
        if parameters.get("cursor") == team_id(2):
            home.api.body = lambda _endpoint, _parameters: None
            raise InvalidCursor("https://example.test", status=400)

    home.api.body = refuse_once
    row = home.run(small)
    assert (row.new, row.unchanged, row.next_cursor) == (3, 2, None)


def test_a_full_page_without_a_cursor_is_not_the_end_of_the_targets(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    small = _with_pages_of(TARGETS, 2)
    pages = {None: [target(1), target(2)], team_id(2): [target(3)]}

    def by_last_key(endpoint: Endpoint, parameters: Any) -> bytes | None:
        return msgspec.json.encode({endpoint.page_key: pages[parameters.get("cursor")]})

    home.api.body = by_last_key
    assert home.run(small).new == 3


def test_an_ignored_filter_is_an_error_and_stores_nothing_unasked(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.body = lambda endpoint, _: b'{"events":[{"event_ticker":"KXOTHER-1"}],"cursor":""}'
    with pytest.raises(FilterIgnored, match="ignored the filter tickers="):
        home.refresh(EVENTS).run(home.client)
    assert home.rows("SELECT count(*) FROM events") == [(0,)]


def test_an_ignored_update_filter_is_an_error(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["events"] = [event("KXGAME-1"), event("KXSPREAD-1")]
    home.run(EVENTS)
    home.clock.forward(minutes=10)
    home.api.body = lambda endpoint, _: b'{"events":[{"event_ticker":"A","last_updated_ts":"2020-01-01T00:00:00Z"}]}'
    with pytest.raises(FilterIgnored, match="ignored the filter min_updated_ts="):
        home.refresh(EVENTS).run(home.client)
    home.api.body = lambda _endpoint, _parameters: None
    assert home.run(EVENTS).mode == "incremental"


def test_what_was_landed_before_a_fault_is_stored_and_the_fault_is_raised(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    small = _with_pages_of(TARGETS, 1)
    home.api.records["targets"] = [target(1), target(2), target(3)]

    def fail_on_the_third(_: Endpoint, parameters: Any) -> None:
        if parameters.get("cursor") == team_id(2):
            raise Unreachable("https://example.test", detail="refused")

    home.api.body = fail_on_the_third
    with pytest.raises(Unreachable):
        home.refresh(small).run(home.client)
    ((status, new, cursor, error),) = home.rows("SELECT status, new, next_cursor, error FROM endpoint_sweeps")
    assert (status, new, cursor) == ("loaded", 2, team_id(2))
    assert "refused" in error
    home.api.body = lambda _endpoint, _parameters: None
    assert home.run(small).new == 1


def test_a_sweep_that_landed_nothing_is_recorded_as_failed(make_home: MakeHome) -> None:
    home = make_home(milestone(1))

    def fail(_endpoint: Endpoint, _parameters: Any) -> None:
        raise Unreachable("https://example.test", detail="refused")

    home.api.body = fail
    with pytest.raises(Unreachable):
        home.refresh(TARGETS).run(home.client)
    with Warehouse(home.home).reading() as connection:
        assert connection.execute("SELECT status, records FROM endpoint_sweeps").fetchall() == [("failed", 0)]


def test_pages_of_a_killed_sweep_are_loaded_by_the_next_one(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    small = _with_pages_of(TARGETS, 1)
    home.api.records["targets"] = [target(1), target(2)]

    def kill(_: Endpoint, parameters: Any) -> None:
        if parameters.get("cursor"):
            raise KeyboardInterrupt

    home.api.body = kill
    with pytest.raises(KeyboardInterrupt):
        home.refresh(small).run(home.client)
    landing = Landing.newest(home.home.raw_of("targets"))
    assert landing is not None
    assert landing.sweep.is_interrupted
    home.api.body = lambda _endpoint, _parameters: None
    row = home.run(small)
    assert (row.new, row.unchanged) == (1, 1)
    assert home.rows("SELECT new, error FROM endpoint_sweeps ORDER BY sweep_id") == [(1, "interrupted"), (1, None)]


def test_series_come_in_one_answer_and_once_a_day(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["series"] = [
        {"ticker": "KXGAME", "title": "Games", "category": "Sports", "categories": ["Sports"], "tags": None, "new": 1},
        {"ticker": "KXA", "tags": ["x"], "frequency": "daily"},
    ]
    row = home.run(SERIES)
    assert (row.mode, row.new) == ("full", 2)
    assert home.rows("SELECT series_ticker, title, categories, tags, frequency, extra FROM series ORDER BY 1") == [
        ("KXA", None, None, '["x"]', "daily", None),
        ("KXGAME", "Games", '["Sports"]', None, None, '{"new":1}'),
    ]
    assert home.refresh(SERIES).plan().is_empty
    home.clock.forward(hours=21)
    assert home.run(SERIES).unchanged == 2


def live(number: int, **details: Any) -> dict[str, Any]:
    return {"milestone_id": milestone_id(number), "type": "football_game", "details": details}


def running(clock: Clock, number: int, **fields: Any) -> dict[str, Any]:
    return milestone(number, start_date=f"{clock.time - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}", **fields)


def test_live_data_log_what_changed_while_milestones_may_be_live(make_home: MakeHome) -> None:
    clock = Clock()
    home = make_home(running(clock, 1), running(clock, 2, details={"session_id": "s"}), milestone(3))
    home.api.records["live"] = [live(1, status="inprogress", home_points=7, away_points=0, last_updated_ts=1)]
    assert home.refresh(LIVE_ENDPOINT).plan().keys == [milestone_id(1)]
    assert home.run(LIVE_ENDPOINT).new == 1
    # Only the time of the update differs.
    home.api.records["live"] = [live(1, status="inprogress", home_points=7, away_points=0, last_updated_ts=2)]
    assert home.run(LIVE_ENDPOINT).unchanged == 1
    home.api.records["live"] = [live(1, status="closed", home_points=7, away_points=3, winner="")]
    assert home.run(LIVE_ENDPOINT).changed == 1
    assert home.rows(
        "SELECT status, status_group, home_score, away_score, winner, is_current FROM live_data ORDER BY observed_at"
    ) == [("inprogress", "live", 7.0, 0.0, None, False), ("closed", "ended", 7.0, 3.0, None, True)]
    assert home.refresh(LIVE_ENDPOINT).plan().is_empty


def test_a_milestone_without_live_data_is_asked_again_and_is_not_unknown(make_home: MakeHome) -> None:
    home = make_home(running(Clock(), 1))
    home.api.body = lambda endpoint, _: b'{"live_datas": null}'
    row = home.run(LIVE_ENDPOINT)
    assert (row.records, row.unknown_keys) == (0, 0)
    assert home.rows("SELECT count(*) FROM unknown_keys") == [(0,)]
    assert home.refresh(LIVE_ENDPOINT).plan().keys == [milestone_id(1)]


def test_a_hundred_milestones_go_into_one_request_of_live_data(make_home: MakeHome) -> None:
    clock = Clock()
    home = make_home(*(running(clock, number) for number in range(1, 152)))
    home.run(LIVE_ENDPOINT)
    assert [request.count("milestone_ids=") for request in home.api.requests] == [100, 51]


def test_a_rebuild_gives_the_same_tables(make_home: MakeHome) -> None:
    home = make_home(running(Clock(), 1), milestone(2))
    home.api.records = {
        "targets": [target(1, source_ids={"a": "1"}), target(2)],
        "events": [event("KXGAME-1"), event("KXGAME-2")],
        "series": [{"ticker": "KXGAME"}],
        "live": [live(1, status="live", home_points=1)],
    }
    for endpoint in (TARGETS, EVENTS, SERIES, LIVE_ENDPOINT):
        home.run(endpoint)
    home.clock.forward(days=8)
    home.api.records["targets"][0] = target(1, name="Renamed")
    home.api.records["live"] = [live(1, status="closed", home_points=2)]
    home.run(TARGETS)
    names = [table.name for table in (*ENDPOINT_DERIVED_TABLES, LIVE_ENDPOINT.log)]
    with Warehouse(home.home).writing() as connection:
        before = {name: sorted(connection.execute(f"FROM {name}").fetchall(), key=str) for name in names}
        rebuild(connection, Staging(home.home.staging("rebuild")))
        assert {name: sorted(connection.execute(f"FROM {name}").fetchall(), key=str) for name in names} == before
    assert before["structured_targets"]


def test_tables_that_did_not_change_are_linked(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records = {"targets": [target(1)], "events": [event("KXGAME-1"), event("KXSPREAD-1")]}
    home.run(TARGETS)
    home.run(EVENTS)

    def inode(table: str) -> int:
        (file,) = (home.home.latest_snapshot / table).iterdir()
        return file.stat().st_ino

    before = {table: inode(table) for table in ("structured_targets", "events")}
    home.clock.forward(days=8)
    home.api.records["targets"] = [target(1, name="Renamed")]
    home.run(TARGETS)
    assert inode("events") == before["events"]
    assert inode("structured_targets") != before["structured_targets"]


def test_the_writers_lock_is_free_while_a_refresh_fetches(make_home: MakeHome, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1)]
    seen: list[str] = []
    # A refresh counts as no holder, so that only taking the lock shows that it is free.
    monkeypatch.setattr("pipelines.storage.lock.REFRESH_SECONDS", 0.1)

    def take(_endpoint: Endpoint, _parameters: Any) -> None:
        with writer_lock(home.home, purpose="a sweep of milestones"):
            seen.append(holder(home.home) or "")

    home.api.body = take
    home.run(TARGETS)
    assert len(seen) == 1
    assert "a sweep of milestones" in seen[0]


def test_a_sweep_is_loaded_later_if_the_warehouse_stays_busy(
    make_home: MakeHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.endpoints.refresh.WAIT_SECONDS", 0.2)
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1)]
    with writer_lock(home.home, purpose="a long sweep"), pytest.raises(WarehouseBusy, match="a long sweep"):
        home.refresh(TARGETS).run(home.client)
    home.api.requests.clear()
    result = home.refresh(TARGETS).run(home.client)
    assert result is not None
    assert result[0].new + result[0].unchanged == 1
    assert home.rows("SELECT count(*) FROM structured_targets") == [(1,)]


def test_one_process_fetches_an_endpoint(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    with endpoint_lock(home.home, "targets", purpose="refresh of targets"), pytest.raises(WarehouseBusy):
        home.refresh(TARGETS).run(home.client)


def test_a_file_published_by_an_earlier_version_has_no_plan(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    with duckdb.connect(str(home.home.published_duckdb)) as connection:
        connection.execute("DROP TABLE endpoint_sweeps")
    with pytest.raises(NothingPublished, match="was published by an earlier version: run milestones ingest first"):
        home.refresh(TARGETS).plan()


def test_without_published_milestones_there_is_nothing_to_refresh(make_home: MakeHome, tmp_path: Any) -> None:
    home = make_home(milestone(1))
    other = Home(tmp_path / "other")
    other.preflight()
    home.home = other
    with pytest.raises(NothingPublished):
        home.refresh(TARGETS).run(home.client)


def _with_pages_of(endpoint: Endpoint, limit: int) -> Endpoint:
    assert endpoint.listing is not None
    return replace(endpoint, listing=replace(endpoint.listing, limit=limit))


def test_the_ledger_accounts_for_every_record(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1), target(1, name="Again"), target(2), {"id": 3}]
    row = home.run(TARGETS)
    assert (row.records, row.new, row.superseded, row.quarantined) == (4, 2, 1, 1)
    assert home.rows("SELECT name FROM structured_targets ORDER BY 1") == [("Again",), ("Team 2",)]
    with duckdb.connect(str(home.home.published_duckdb), read_only=True) as connection:
        assert connection.execute(
            "SELECT bool_and(records = new + changed + unchanged + superseded + quarantined) FROM endpoint_sweeps"
        ).fetchall() == [(True,)]


def test_milestones_that_were_not_audited_are_not_published_by_a_refresh(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1)]
    home.shell.world.edit_title(milestone_id(1), "not audited")
    home.shell.sweep(mode="full")
    with pytest.raises(MilestonesUnpublished, match="run milestones ingest, which audits and publishes all"):
        home.refresh(TARGETS).run(home.client)
    assert home.rows("SELECT title FROM milestones") == [("Game 1",)]
    home.shell.stages.publish()
    assert home.rows("SELECT name FROM structured_targets") == [("Team 1",)]


def test_a_refused_key_does_not_keep_the_others_from_being_requested(make_home: MakeHome) -> None:
    tickers = ["A-1", "bad key", "A-2", "x" * 7_000, "A,B"]
    home = make_home(milestone(1, related_event_tickers=tickers, primary_event_tickers=[]))
    home.api.records["events"] = [event("A-1"), event("a-2")]

    def refuse(_: Endpoint, parameters: Any) -> None:
        if "bad key" in str(parameters.get("tickers")):
            raise BadRequest("https://example.test", status=400)

    home.api.body = refuse
    found = home.api.records["events"]
    home.api.records["events"] = [found[0]]
    row = home.run(EVENTS)
    assert (row.requested_keys, row.remaining_keys, row.new, row.unknown_keys) == (5, 0, 1, 4)
    assert home.refresh(EVENTS).plan().keys == []


def test_a_key_may_be_answered_in_another_spelling(make_home: MakeHome) -> None:
    home = make_home(milestone(1, related_event_tickers=["kxlow-1"], primary_event_tickers=[]))
    home.api.body = lambda endpoint, _: b'{"events":[{"event_ticker":"KXLOW-1"}],"cursor":""}'
    row = home.run(EVENTS)
    assert (row.new, row.unknown_keys) == (1, 0)


def test_updates_are_listed_from_the_first_sweep_on_even_if_it_was_interrupted(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["events"] = [event("KXGAME-1"), event("KXSPREAD-1")]

    def kill(_: Endpoint, parameters: Any) -> None:
        if home.api.requests[1:]:
            raise KeyboardInterrupt

    home.api.body = kill
    home.run(EVENTS)
    home.api.body = lambda _endpoint, _parameters: None
    home.clock.forward(hours=5)
    later = f"{home.clock.time:%Y-%m-%dT%H:%M:%SZ}"
    home.api.records["events"][0] = event("KXGAME-1", title="Changed", last_updated_ts=later)
    assert home.run(EVENTS).changed == 1


def test_a_clock_that_was_ahead_does_not_stop_updates(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["series"] = [{"ticker": "A"}]
    home.clock.forward(days=365)
    home.run(SERIES)
    home.clock.forward(days=-364)
    assert not home.refresh(SERIES).plan().is_empty


def test_a_list_that_fails_does_not_keep_keys_from_being_requested(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["targets"] = [target(1)]

    def fail(_: Endpoint, parameters: Any) -> None:
        if "ids" not in parameters:
            raise Unreachable("https://example.test", detail="refused")

    home.api.body = fail
    with pytest.raises(Unreachable):
        home.refresh(TARGETS).run(home.client)
    assert home.rows("SELECT name FROM structured_targets") == [("Team 1",)]


def test_a_whole_list_without_records_is_read_again(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.body = lambda endpoint, _: b'{"series": null}'
    assert home.run(SERIES).watermark is None
    assert not home.refresh(SERIES).plan().is_empty


def test_landed_pages_are_loaded_although_nothing_is_to_be_requested(make_home: MakeHome) -> None:
    home = make_home(running(Clock(), 1))
    home.api.records["live"] = [live(1, status="closed", home_points=9)]
    with pytest.MonkeyPatch.context() as patch, writer_lock(home.home, purpose="a long sweep"):
        patch.setattr("pipelines.endpoints.refresh.WAIT_SECONDS", 0.2)
        with pytest.raises(WarehouseBusy):
            home.refresh(LIVE_ENDPOINT).run(home.client)
    home.clock.forward(days=2)
    refresh = home.refresh(LIVE_ENDPOINT)
    assert refresh.plan().is_empty
    assert refresh.is_due()
    refresh.run(home.client)
    assert home.rows("SELECT status, home_score FROM live_data") == [("closed", 9.0)]
    assert not refresh.is_due()


def test_a_damaged_page_of_a_killed_sweep_is_requested_again(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    small = _with_pages_of(TARGETS, 1)
    home.api.records["targets"] = [target(1), target(2), target(3)]

    def kill(_: Endpoint, parameters: Any) -> None:
        if parameters.get("cursor") == team_id(2):
            raise KeyboardInterrupt

    home.api.body = kill
    with pytest.raises(KeyboardInterrupt):
        home.refresh(small).run(home.client)
    landing = Landing.newest(home.home.raw_of("targets"))
    assert landing is not None
    page = landing.folder / "page-000002.parquet"
    page.write_bytes(page.read_bytes()[:-20])
    home.api.body = lambda _endpoint, _parameters: None
    row = home.run(small)
    assert (row.new, row.unchanged) == (2, 1)


def test_sweeps_are_numbered_on_after_raw_pages_were_lost(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["series"] = [{"ticker": "A"}]
    first = home.run(SERIES)
    shutil.rmtree(home.home.raw_of("series"))
    home.clock.forward(days=1)
    assert home.run(SERIES).sweep_id > first.sweep_id


def test_a_sweep_killed_after_its_commit_keeps_its_row_of_the_ledger(make_home: MakeHome) -> None:
    home = make_home(milestone(1))
    home.api.records["series"] = [{"ticker": "A"}]
    home.run(SERIES)
    landing = Landing.newest(home.home.raw_of("series"))
    assert landing is not None
    landing.sweep.state, landing.sweep.is_resumable, landing.sweep.landed_at = "landing", True, None
    landing.save()
    home.refresh(SERIES).run(home.client)
    assert home.rows("SELECT new, unchanged, error FROM endpoint_sweeps") == [(1, 0, None)]


def test_live_data_that_did_not_change_are_linked(make_home: MakeHome) -> None:
    home = make_home(running(Clock(), 1))
    home.api.records["live"] = [live(1, status="live", home_points=9)]
    home.run(LIVE_ENDPOINT)
    (before,) = (home.home.latest_snapshot / "live_data").iterdir()
    inode = before.stat().st_ino
    assert home.run(LIVE_ENDPOINT).unchanged == 1
    (after,) = (home.home.latest_snapshot / "live_data").iterdir()
    assert after.stat().st_ino == inode
