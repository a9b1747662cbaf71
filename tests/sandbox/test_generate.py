"""The made-up corpus: the same for the same seed, in the census's shares, every surprise in the smallest of them."""

from __future__ import annotations

import collections
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from sandbox.census import CENSUS, CENSUS_ROWS
from sandbox.details import CRICKET_STATUSES, RARE_STATUSES, STATUSES
from sandbox.draw import CITIES, COMPANIES, NAMES, STATES, Entity
from sandbox.generate import generate, generate_bodies
from sandbox.kinds import KINDS
from sandbox.rfc3339 import format_micros, micros_of, parse_micros
from schemas.api import KNOWN_FIELDS, Milestone
from tests.sandbox.conftest import NOW

Row = dict[str, Any]
NOW_TEXT = format_micros(micros_of(NOW))


@pytest.fixture(scope="module", params=[1, 2, 3])
def rows(request: pytest.FixtureRequest) -> list[Row]:
    return list(generate(1_000, seed=request.param, now=NOW))


@pytest.fixture(scope="module")
def many() -> list[Row]:
    return list(generate(20_000, seed=1, now=NOW))


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert list(generate_bodies(500, 7, NOW)) == list(generate_bodies(500, 7, NOW))


def test_another_seed_gives_other_ids() -> None:
    assert not {row["id"] for row in generate(500, 7, NOW)} & {row["id"] for row in generate(500, 8, NOW)}


@pytest.mark.parametrize("count", [0, 1, 150, 1_000])
def test_the_number_of_rows_is_as_requested(count: int) -> None:
    rows = list(generate(count, 1, NOW))
    assert len({row["id"] for row in rows}) == len(rows) == count


def test_a_clock_before_the_corpus_is_refused() -> None:
    with pytest.raises(ValueError, match="the generated data begin on 2024-05-09"):
        generate(1, 1, datetime(2024, 1, 1, tzinfo=UTC))


@pytest.mark.slow
def test_every_row_is_a_valid_milestone(many: list[Row]) -> None:
    for row in many:
        milestone = msgspec.convert(row, Milestone, strict=True)
        assert set(milestone.primary_event_tickers or ()) <= set(milestone.related_event_tickers or ())
        assert uuid.UUID(milestone.id).version in (4, 5)
        assert milestone.id == milestone.id.lower()
        assert parse_micros(milestone.start_date) % 1_000_000 == 0
        assert milestone.last_updated_ts == format_micros(parse_micros(milestone.last_updated_ts))
        assert parse_micros(milestone.last_updated_ts) <= micros_of(NOW)
        assert milestone.end_date is None or parse_micros(milestone.end_date)


def test_the_census_adds_up() -> None:
    assert sum(CENSUS.values()) == CENSUS_ROWS
    assert {type_name for type_name, _ in CENSUS} == set(KINDS)


@pytest.mark.parametrize(("field", "part"), [("type", 0), ("category", 1)])
def test_shares_are_the_census_s(many: list[Row], field: str, part: int) -> None:
    expected: collections.Counter[str] = collections.Counter()
    for cell, count in CENSUS.items():
        expected[cell[part]] += count
    found = collections.Counter(row[field] for row in many)
    assert set(found) == set(expected)
    for name, count in expected.items():
        assert found[name] / len(many) == pytest.approx(count / CENSUS_ROWS, rel=0.1, abs=0.004), name


def _share(rows: list[Row], holds: Callable[[Row], bool]) -> float:
    return sum(map(holds, rows)) / len(rows)


def test_other_shares_are_the_census_s(many: list[Row]) -> None:
    assert _share(many, lambda row: row["start_date"] > NOW_TEXT) == pytest.approx(0.028, abs=0.006)
    assert _share(many, lambda row: "source_id" not in row) == pytest.approx(0.13, abs=0.01)
    assert not any("source_ids" in row for row in many if "2001" < row["start_date"] < "2026-03-01")
    updated = collections.Counter(row["last_updated_ts"] for row in many)
    assert sum(count for _, count in updated.most_common(8)) / len(many) == pytest.approx(0.4, abs=0.05)


@pytest.mark.slow
def test_growth_ends_near_640_a_day() -> None:
    now = datetime(2026, 8, 30, tzinfo=UTC)
    rows = list(generate(20_000, 1, now))
    starts = [parse_micros(row["start_date"]) for row in rows]
    last_days = sum(0 <= micros_of(now) - start < 30 * 86_400_000_000 for start in starts)
    assert last_days / 30 * CENSUS_ROWS / len(rows) == pytest.approx(640, rel=0.2)


def test_rows_have_the_recorded_size(many: list[Row]) -> None:
    sizes: dict[str, list[int]] = collections.defaultdict(list)
    # The recorded sizes are of the oldest rows, which had no source_ids yet.
    for row in (row for row in many if "source_ids" not in row):
        sizes[row["type"]].append(len(msgspec.json.encode(row)))
    mean = {name: sum(found) / len(found) for name, found in sizes.items()}
    assert mean["tennis_tournament_singles"] == pytest.approx(620, rel=0.15)
    assert mean["basketball_game"] == pytest.approx(700, rel=0.15)
    assert mean["golf_tournament"] == pytest.approx(5_612, rel=0.15)


def _digits(count: int) -> Callable[[Row], bool]:
    return lambda row: len(row["last_updated_ts"].partition(".")[2].rstrip("Z")) == count


def _cell(kind: str, category: str) -> Callable[[Row], bool]:
    return lambda row: (row["type"], row["category"]) == (kind, category)


def _starts_in(low: timedelta, high: timedelta) -> Callable[[Row], bool]:
    return lambda row: micros_of(NOW + low) <= parse_micros(row["start_date"]) <= micros_of(NOW + high)


def _status(text: str) -> Callable[[Row], bool]:
    return lambda row: row["details"].get("status") == text


def _season(row: Row) -> Row:
    return dict(row["details"].get("season", {}))


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
OLD = timedelta(days=30)

FREE_TEXTS = [CRICKET_STATUSES[status] for status in ("time-tbd", "live", "complete")]

SURPRISES: dict[str, Callable[[Row], bool]] = {
    "zero time": lambda row: row["last_updated_ts"] == "0001-01-01T00:00:00Z",
    "placeholder dates": lambda row: row["start_date"][:10] == "2000-01-01" and row["end_date"][:10] == "2000-01-02",
    "end before start": lambda row: (row.get("end_date") or "9") < row["start_date"],
    "far future": lambda row: row["start_date"] >= "2033",
    "end null": lambda row: row.get("end_date", "") is None,
    "end absent": lambda row: "end_date" not in row,
    "end with microseconds": lambda row: re.search(r"\.\d{6}Z", row.get("end_date") or "") is not None,
    "end on the hour": lambda row: re.search(r":00:00Z", row.get("end_date") or "") is not None,
    **{f"{digits} fraction digits": _digits(digits) for digits in range(7)},
    "simulated": lambda row: row["primary_event_tickers"] == ["SIMNBAGAME"] and "session_id" in row["details"],
    "simulated college game": lambda row: row["primary_event_tickers"] == ["SIMNCAAFGAME"],
    "ticker without hyphen": lambda row: "-" not in row["related_event_tickers"][0],
    "ticker without KX": lambda row: row["related_event_tickers"][0] == "SENATEWY-26",
    "hyphenated series": lambda row: row["related_event_tickers"][0].count("-") >= 2,
    "27 tickers": lambda row: len(row["related_event_tickers"]) == 27,
    "no primary ticker": lambda row: row["primary_event_tickers"] == [],
    "related beyond primary": lambda row: len(row["related_event_tickers"]) > len(row["primary_event_tickers"]) > 0,
    "132 competitors": lambda row: len(row["details"].get("competitor_ids", ())) == 132,
    "source_id absent": lambda row: "source_id" not in row,
    "source_id a UUID": lambda row: (
        row.get("source_id") != row["id"] and bool(UUID.fullmatch(row.get("source_id", "")))
    ),
    "source_id of Sportradar": lambda row: row.get("source_id", "").startswith("sr:sport_event:"),
    "source_id own": lambda row: row.get("source_id") == row["id"],
    "source_ids absent": lambda row: "source_ids" not in row,
    "source_ids empty": lambda row: row.get("source_ids") == {},
    "four source_ids": lambda row: len(row.get("source_ids", ())) == 4,
    "players by id": lambda row: bool(row["details"].get("player_id_mapping")),
    "candidates by id": lambda row: len(row["details"].get("candidate_id_mapping", ())) == 24,
    "week 0": lambda row: _season(row).get("week") == 0,
    "season with only sr_id": lambda row: list(_season(row)) == ["sr_id"],
    "title beyond ASCII": lambda row: not row["title"].isascii(),
    "title with escapes": lambda row: '"' in row["title"] and "\n" in row["title"],
    "UUID version 5": lambda row: uuid.UUID(row["id"]).version == 5,
    "unknown top-level object": lambda row: (
        isinstance(row.get("product_details"), dict) and not set(row) <= KNOWN_FIELDS
    ),
    "empty details": lambda row: row["details"] == {},
    "stale status": lambda row: _status("scheduled")(row) and row["start_date"] < format_micros(micros_of(NOW - OLD)),
    **{f"status {status!r}": _status(status) for status in (*STATUSES, *RARE_STATUSES)},
    **{f"free text {text}": _status(text) for text in FREE_TEXTS},
    "a promotion instead of a league": lambda row: row["details"].get("promotion") == "UFC",
    "closed before its start": lambda row: _status("closed")(row) and row["start_date"] > NOW_TEXT,
    "simulated by a ticker with a suffix alone": lambda row: (
        row["primary_event_tickers"] == ["SIMNFLGAME-26NOV29AB"] and "session_id" not in row["details"]
    ),
    **{f"{kind} in {category}": _cell(kind, category) for kind, category in CENSUS},
    "starts within the day": _starts_in(timedelta(), timedelta(hours=24)),
    "live now": lambda row: _starts_in(timedelta(hours=-3), timedelta())(row) and "session_id" not in row["details"],
}


@pytest.mark.parametrize("holds", SURPRISES.values(), ids=SURPRISES)
def test_a_thousand_rows_hold_every_surprise(rows: list[Row], holds: Callable[[Row], bool]) -> None:
    assert any(map(holds, rows))


def test_events_are_shared_and_their_starts_disagree(rows: list[Row]) -> None:
    starts = collections.defaultdict(set)
    for row in rows:
        for ticker in row["primary_event_tickers"]:
            starts[ticker].add(row["start_date"])
    assert max(len(found) for ticker, found in starts.items() if not ticker.startswith("SIM")) > 1


def test_rows_share_a_bulk_rewrite(rows: list[Row]) -> None:
    updated = collections.Counter(row["last_updated_ts"] for row in rows)
    assert updated.most_common(1)[0][1] > 20


def _named(row: Row) -> list[Entity]:
    """The participants in a title, in order, as far as the sandbox knows their names."""
    return [Entity("", word) for word in re.split(r" at | vs |[ ?'’]", row["title"]) if word in KNOWN_NAMES]


KNOWN_NAMES = {*CITIES, *COMPANIES, *NAMES, *STATES}


@pytest.mark.slow
def test_tickers_have_the_codes_of_the_title_and_the_day_of_the_start(many: list[Row]) -> None:
    looked_at = 0
    for row in many[200:]:
        # Simulated games have the ticker of their series alone; placeholders came after the ticker.
        if not row["primary_event_tickers"][0].startswith("KX") or row["start_date"].startswith("2000-"):
            continue
        start = datetime.fromisoformat(row["start_date"]) - timedelta(hours=5)
        codes = "".join(one.code for one in _named(row))
        for ticker in row["primary_event_tickers"]:
            assert ticker.partition("-")[2].startswith(f"{start:%y%b%d}".upper() + codes), row["title"]
        looked_at += bool(codes)
    assert looked_at > 0.97 * (len(many) - 200)


def test_related_events_are_of_the_same_league(many: list[Row]) -> None:
    beyond = 0
    for row in many[200:]:
        for ticker in set(row["related_event_tickers"]) - set(row["primary_event_tickers"]):
            league, _, time = ticker.partition("-")
            assert row["primary_event_tickers"][0].startswith(league)
            assert re.fullmatch(r"\d\d([A-Z]{3})?", time)
            beyond += 1
    assert beyond > 0.02 * len(many)


def test_earnings_calls_belong_to_companies(many: list[Row]) -> None:
    calls = [row for row in many if "earnings" in row["title"]]
    assert {row["category"] for row in calls} <= {"Mentions", "mentions", "Financials", "Finance", "Companies"}
    assert all(any(name in row["title"] for name in COMPANIES) for row in calls)
    assert len(calls) > 500


def test_details_name_the_company_of_the_title(many: list[Row]) -> None:
    reports = [row for row in many if "fiscal_quarter" in row["details"]]
    assert reports
    for row in reports:
        (company,) = _named(row)
        assert row["details"]["ticker"] == company.code
        assert row["primary_event_tickers"][0].endswith(company.code)


def test_opponents_have_different_names(many: list[Row]) -> None:
    for row in many[200:]:
        names = [one.code for one in _named(row)]
        assert len(set(names)) == len(names), row["title"]


@pytest.mark.parametrize("name", ["Łódź", "Öztürk", "Tromsø", "Yılmaz", "Świątek", "Québec"])
def test_a_code_is_ascii_and_keeps_the_letters(name: str) -> None:
    assert Entity("", name).code in {"LOD", "OZT", "TRO", "YIL", "SWI", "QUE"}


@pytest.mark.parametrize("hour", range(0, 24, 3))
def test_something_is_live_and_upcoming_at_any_time_of_day(hour: int) -> None:
    now = NOW.replace(hour=hour, minute=59)
    rows = list(generate(150, seed=1, now=now))
    starts = [parse_micros(row["start_date"]) for row in rows if "session_id" not in row["details"]]
    assert any(micros_of(now - timedelta(hours=3)) <= start <= micros_of(now) for start in starts)
    assert any(micros_of(now) < start <= micros_of(now + timedelta(hours=24)) for start in starts)
