"""Nothing is lost on the whole way: every field of every milestone served arrives in the tables, as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

import sandbox
from pipelines.kalshi.client import KalshiClient
from pipelines.publish.manifest import verify
from pipelines.storage.home import Home
from pipelines.storage.landing import Landing
from pipelines.sweep.progress_listener import NullProgress
from pipelines.sweep.request import SweepRequest
from pipelines.sweep.stages import Stages
from pipelines.warehouse.ledger import LedgerRow
from tests.support import NOON, ZERO_TIME, Clock, json_of

pytestmark = pytest.mark.slow

GENERATED = 2_000
KNOWN = {
    *("id", "category", "type", "title", "start_date", "end_date", "notification_message", "last_updated_ts"),
    *("details", "related_event_tickers", "primary_event_tickers", "source_id", "source_ids"),
}


@dataclass
class Whole:
    """What was served, what the ledger says and what was published."""

    served: list[dict[str, Any]]
    ledger: LedgerRow
    home: Home
    tables: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)

    def of(self, table: str, milestone_id: str) -> list[dict[str, Any]]:
        """The milestone's rows in a published table."""
        if table not in self.tables:
            by_id: dict[str, list[dict[str, Any]]] = {}
            for row in self._rows(table):
                by_id.setdefault(row["milestone_id"], []).append(row)
            self.tables[table] = by_id
        return self.tables[table].get(milestone_id, [])

    def _rows(self, table: str) -> Iterator[dict[str, Any]]:
        with duckdb.connect(str(self.home.published_duckdb), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            cursor = connection.execute(f'SELECT * FROM "{table}"')
            names = [column[0] for column in cursor.description or []]
            rows = cursor.fetchall()
        return (dict(zip(names, row, strict=True)) for row in rows)


def run_whole(folder: Path, **world: Any) -> Whole:
    app = sandbox.build(now=lambda: NOON, **world)
    home, clock = Home(folder), Clock()
    stages = Stages(home, now=clock)
    with sandbox.running(app) as server, KalshiClient(server.base_url, requests_per_second=0, now=clock) as api:
        stages.land(api, SweepRequest(), NullProgress())
    stages.stage_records()
    stages.stage_tables()
    ledger = stages.load()
    stages.publish()
    return Whole([json_of(body.decode()) for body in app.state.world.bodies()], ledger, home)


@pytest.fixture(scope="module")
def recorded(payloads: Path, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return run_whole(tmp_path_factory.mktemp("recorded"), records=payloads)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return run_whole(tmp_path_factory.mktemp("generated"), rows=GENERATED, seed=7)


def instant(text: str | None) -> datetime | None:
    return None if text is None or text == ZERO_TIME else datetime.fromisoformat(text).astimezone(UTC)


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Scalars and empty containers with their paths, by hand; only for keys that need no quoting."""
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from leaves(child, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, child in enumerate(value):
            yield from leaves(child, f"{path}[{index}]")
    else:
        yield path, value


def leaf_text(value: Any) -> str | None:
    if value is None or value in ({}, []):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def assert_arrived(whole: Whole, sent: dict[str, Any]) -> None:
    """Every field of one milestone stands in the tables."""
    (row,) = whole.of("milestones", sent["id"])
    for name in ("category", "type", "title", "notification_message"):
        assert row[name] == sent[name], name
    assert row["source_id"] == sent.get("source_id")
    for name in ("start_date", "end_date", "last_updated_ts"):
        assert row[name] == instant(sent.get(name)), name
    assert json_of(row["details"]) == sent["details"]
    extra = {name: value for name, value in sent.items() if name not in KNOWN}
    assert (json_of(row["extra"]) if row["extra"] else {}) == extra

    events = {event["event_ticker"]: event for event in whole.of("milestone_events", sent["id"])}
    for kind in ("related", "primary"):
        tickers = sent[f"{kind}_event_tickers"] or []
        positions = {ticker: event[f"{kind}_position"] for ticker, event in events.items() if event[f"is_{kind}"]}
        assert sorted(positions, key=lambda ticker, at=positions: at[ticker]) == tickers, kind  # type: ignore[misc]
    main = sent["details"].get("main_game_event_ticker")
    assert row["main_event_ticker"] == main
    assert [ticker for ticker, event in events.items() if event["is_main"]] == ([main] if main else [])

    sources = {source["provider"]: source["provider_id"] for source in whole.of("milestone_sources", sent["id"])}
    assert sources == (sent.get("source_ids") or {})

    details = {leaf["path"]: leaf["value"] for leaf in whole.of("milestone_details", sent["id"])}
    assert details == {path: leaf_text(value) for path, value in leaves(sent["details"])}

    (version,) = whole.of("milestone_versions", sent["id"])
    assert json_of(version["record"]) == sent, "the log holds the whole record"
    assert (version["version"], version["is_current"], version["content_hash"]) == (1, True, row["content_hash"])


def test_every_recorded_milestone_arrives_with_every_field(recorded: Whole) -> None:
    assert len(recorded.served) >= 7
    for sent in recorded.served:
        assert_arrived(recorded, sent)


def test_every_generated_milestone_arrives_with_every_field(generated: Whole) -> None:
    assert len(generated.served) == GENERATED
    for sent in generated.served:
        assert_arrived(generated, sent)


@pytest.mark.parametrize("name", ["recorded", "generated"])
def test_the_account_adds_up(name: str, request: pytest.FixtureRequest) -> None:
    whole: Whole = request.getfixturevalue(name)
    ledger = whole.ledger
    landing = Landing.newest(whole.home.raw)
    assert landing is not None
    assert ledger.records == sum(page.records for page in landing.pages())
    assert ledger.new == len(whole.served)
    assert (ledger.changed, ledger.unchanged, ledger.quarantined) == (0, 0, 0)
    assert ledger.superseded == ledger.records - ledger.new
    assert verify(whole.home).differences == []


# The oddities by name, so that a corpus without them does not pass for one with them.


def test_recorded_oddities(recorded: Whole) -> None:
    by_type: dict[str, list[dict[str, Any]]] = {}
    for sent in recorded.served:
        by_type.setdefault(sent["type"], []).append(sent)
    (golf,) = by_type["golf_tournament"]
    competitors = [row for row in recorded.of("milestone_entities", golf["id"]) if row["role"] == "competitor"]
    assert [row["entity_id"] for row in sorted(competitors, key=lambda row: int(row["position"]))] == golf["details"][
        "competitor_ids"
    ]
    assert len(competitors) == 132
    (race,) = by_type["political_race"]
    (row,) = recorded.of("milestones", race["id"])
    assert (row["start_date"], row["end_date"]) == (datetime(2000, 1, 1, tzinfo=UTC), datetime(2000, 1, 2, tzinfo=UTC))
    assert row["has_placeholder_dates"]
    simulated = [sent for sent in recorded.served if "session_id" in sent["details"]]
    assert len(simulated) == 2
    for sent in recorded.served:
        (row,) = recorded.of("milestones", sent["id"])
        assert row["is_simulated"] is (sent in simulated)
        assert row["has_placeholder_dates"] is (sent is race)
    absent = [sent for sent in recorded.served if "end_date" not in sent]
    null = [sent for sent in recorded.served if sent.get("end_date", "absent") is None]
    assert absent
    assert null
    assert all(recorded.of("milestones", sent["id"])[0]["end_date"] is None for sent in absent + null)
    assert max(len(sent["related_event_tickers"]) for sent in recorded.served) == 27


def test_generated_oddities(generated: Whole) -> None:
    zero = [sent for sent in generated.served if sent["last_updated_ts"] == ZERO_TIME]
    assert zero
    assert all(generated.of("milestones", sent["id"])[0]["last_updated_ts"] is None for sent in zero)
    simulated = [sent for sent in generated.served if "session_id" in sent["details"]]
    assert simulated
    assert all(generated.of("milestones", sent["id"])[0]["is_simulated"] for sent in simulated)
    unknown = [sent for sent in generated.served if sent.keys() - KNOWN]
    assert unknown
    assert all(generated.of("milestones", sent["id"])[0]["extra"] for sent in unknown)
    empty = [sent for sent in generated.served if sent["details"] == {}]
    assert empty
    for sent in empty:
        assert [row["kind"] for row in generated.of("milestone_details", sent["id"])] == ["empty_object"]
    assert any("end_date" not in sent for sent in generated.served)
    assert any(sent.get("end_date", "absent") is None for sent in generated.served)
    assert any(sent["start_date"].startswith("2000-01-01") for sent in generated.served)
    assert any(len(sent["details"].get("competitor_ids", ())) == 132 for sent in generated.served)
    assert any(not sent["title"].isascii() for sent in generated.served)
    assert any("\n" in sent["title"] for sent in generated.served)


def test_numbers_arrive_digit_for_digit(generated: Whole) -> None:
    fractions = [
        (sent["id"], path, value)
        for sent in generated.served
        for path, value in leaves({"details": sent["details"], **{k: v for k, v in sent.items() if k not in KNOWN}})
        if "." in str(value) and path.endswith("]")
    ]
    assert fractions
    for milestone_id, _, value in fractions:
        (row,) = generated.of("milestones", milestone_id)
        assert value in json.dumps(json_of(row["extra"] or "{}")) + row["details"]
