from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.flatten.events import Event, events, main_event_ticker
from tests.records.recorded import recorded_record
from tests.records.samples import parse

tickers = st.sampled_from(["KXA-1", "KXB-2", "kxa-1", "SENATEWY-26", "", "é", "\0"]) | st.text(max_size=3)
lists = st.lists(tickers, max_size=8)


@given(lists, lists, st.none() | tickers)
def test_every_ticker_appears_once_with_its_roles_and_first_positions(
    related: list[str], primary: list[str], main: str | None
) -> None:
    found = events(related, primary, main)
    names = [event.event_ticker for event in found]
    assert len(names) == len(set(names))
    assert set(names) == {*related, *primary, *([main] if main else [])}
    for event in found:
        ticker = event.event_ticker
        assert event.is_related == (ticker in related)
        assert event.is_primary == (ticker in primary)
        assert event.is_main == (ticker == main)
        assert event.related_position == (related.index(ticker) if ticker in related else None)
        assert event.primary_position == (primary.index(ticker) if ticker in primary else None)
    # Related ones first, in their order, then the rest of the primary ones in theirs, then the main one.
    of_related, of_primary = names[: len(set(related))], names[len(set(related)) :]
    assert [related.index(name) for name in of_related] == sorted(map(related.index, of_related))
    assert [name for name in of_primary if name in primary] == [
        name for name in dict.fromkeys(primary) if name not in related
    ]


@pytest.mark.parametrize(
    ("related", "primary", "main", "expected"),
    [
        pytest.param([], [], None, [], id="none"),
        pytest.param([], [], "M", [Event("M", False, False, True, None, None)], id="main only"),
        pytest.param(["A", "A"], [], None, [Event("A", True, False, False, 0, None)], id="named twice"),
        pytest.param(
            ["A", "B"],
            ["B", "C"],
            "B",
            [
                Event("A", True, False, False, 0, None),
                Event("B", True, True, True, 1, 0),
                Event("C", False, True, False, None, 1),
            ],
            id="every role",
        ),
    ],
)
def test_events(related: list[str], primary: list[str], main: str | None, expected: list[Event]) -> None:
    assert events(related, primary, main) == expected


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ({}, None),
        ({"main_game_event_ticker": None}, None),
        ({"main_game_event_ticker": ""}, None),
        ({"main_game_event_ticker": 7}, None),
        ({"main_game_event_ticker": ["KXA-1"]}, None),
        ({"season": {"main_game_event_ticker": "KXA-1"}}, None),
        ({"main_game_event_ticker": "KXA-1"}, "KXA-1"),
    ],
    ids=["absent", "null", "empty", "integer", "array", "deeper", "text"],
)
def test_the_main_event_is_read_from_the_top_level_of_details(details: dict[str, Any], expected: str | None) -> None:
    assert main_event_ticker(details) == expected


def test_the_recorded_college_game_has_27_events(payloads: Path) -> None:
    record = parse(recorded_record(payloads, "football_game__ncaafb_scheduled"))
    found = events(
        record["related_event_tickers"], record["primary_event_tickers"], main_event_ticker(record["details"])
    )
    assert len(found) == 27
    assert all(event.is_related and event.is_primary for event in found)
    assert [event.related_position for event in found] == list(range(27))
    assert [event.event_ticker for event in found if event.is_main] == ["KXNCAAFGAME-26SEP17SYRPITT"]
