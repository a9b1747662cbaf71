"""Positions of bars on the time line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from board.charts.lanes import LABELLED_MAX, LANE_PX, LEAD, SECTION_MIN, TITLED_MAX, Window, lanes, layout, sections
from board.charts.timeline import TOOLTIP, starts_by_hour, timeline
from board.queries.now import CurrentMilestone
from board.theme import ViewSettings
from board.times import Zone, epoch_ms

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW, 48)
VIEW = ViewSettings(is_dark=False, zone=Zone.named("Europe/Berlin"), in_utc=False)


def at(hour: float) -> datetime:
    return NOW + timedelta(hours=hour)


def milestone(
    start: float, length: float = 2, *, kind: str = "football_game", group: str = "Sports"
) -> CurrentMilestone:
    return CurrentMilestone(
        milestone_id=f"{start}-{kind}",
        category_group=group,
        type=kind,
        title=f"at {start}",
        league=None,
        status=None,
        status_group=None,
        main_event_ticker=None,
        main_event_title=None,
        tickers="",
        participants=None,
        participant_names="",
        starts_at=at(start),
        start_is_tentative=False,
        ends_at=at(start + length),
        end_is_guessed=False,
        is_live=start <= 0,
        score=None,
        live_status=None,
        observed_at=None,
    )


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(0, 2), (3, 4), (5, 6)], [0, 0, 0]),
        ([(0, 2), (0, 2), (1, 3)], [0, 1, 2]),
        ([(0, 9), (1, 2), (3, 4)], [0, 1, 1]),
        ([(0, 2), (0, 4), (2.5, 3), (5, 6)], [0, 1, 0, 0]),
        ([(0, 2), (2, 4)], [0, 1]),
    ],
    ids=["none", "one after another", "at once", "parallel to a long one", "the lowest that is free", "no gap"],
)
def test_lanes(spans: Sequence[tuple[float, float]], expected: list[int]) -> None:
    assert lanes([(at(start), at(end)) for start, end in spans]) == expected


def test_a_tentative_start_is_marked() -> None:
    settled = milestone(1)
    (bar, marked) = layout([settled, replace(settled, start_is_tentative=True)], WINDOW, VIEW).bars
    assert marked["start"] == f"{bar['start']} (tentative)"


def test_a_bar_names_the_participants_and_the_score() -> None:
    unknown = milestone(1)
    (bar, named) = layout([unknown, replace(unknown, participants="A, B", score="1 – 0")], WINDOW, VIEW).bars
    assert (bar["participants"], bar["score"]) == ("–", "–")
    assert (named["participants"], named["score"]) == ("A, B", "1 – 0")
    assert {"participants:N", "score:N"} <= {tooltip["shorthand"] for tooltip in TOOLTIP}


def test_no_two_bars_of_a_lane_overlap() -> None:
    spans = [(at(start / 7), at(start / 7 + 1 + start % 5)) for start in range(300)]
    last: dict[int, datetime] = {}
    for (start, end), lane in zip(spans, lanes(spans), strict=True):
        assert last.get(lane, start) <= start
        last[lane] = end


def test_few_milestones_get_a_titled_line_each() -> None:
    placed = layout([milestone(hour) for hour in range(TITLED_MAX)], WINDOW, VIEW)
    assert placed.is_titled
    assert placed.headings == []
    assert len({bar["y"] for bar in placed.bars}) == TITLED_MAX


def test_titles_are_on_the_side_with_space() -> None:
    placed = layout([milestone(1), milestone(40)], WINDOW, VIEW)
    assert [bar["is_left"] for bar in placed.bars] == [True, False]


def test_many_milestones_are_packed_below_headings() -> None:
    placed = layout([milestone(hour / 9) for hour in range(TITLED_MAX + 40)], WINDOW, VIEW)
    assert not placed.is_titled
    assert placed.is_labelled
    assert [heading["text"] for heading in placed.headings] == [f"Sports, football game · {TITLED_MAX + 40}"]
    assert max(bar["y2"] for bar in placed.bars) < placed.height


def test_very_many_milestones_get_thin_lanes_without_titles() -> None:
    placed = layout([milestone(hour / 90) for hour in range(LABELLED_MAX + 1)], WINDOW, VIEW)
    assert not placed.is_labelled
    assert max(bar["y2"] - bar["y"] for bar in placed.bars) == LANE_PX - 2


def test_bars_stay_within_the_line() -> None:
    placed = layout([milestone(-90, 900), milestone(47, 30)], WINDOW, VIEW)
    for bar in placed.bars:
        assert epoch_ms(NOW - LEAD) <= bar["from"] < bar["to"] <= epoch_ms(at(48))


def test_the_shortest_bar_is_still_visible() -> None:
    (bar,) = layout([milestone(1, 1 / 3600)], WINDOW, VIEW).bars
    assert bar["to"] - bar["from"] == timedelta(minutes=12) / timedelta(milliseconds=1)


def test_rare_types_share_a_section() -> None:
    found = sections(
        [
            *[milestone(hour, kind="often") for hour in range(SECTION_MIN)],
            milestone(1, kind="rare"),
            milestone(2, kind="rarer"),
            milestone(3, kind="alone", group="Crypto"),
            milestone(4, kind="this", group="Esports"),
            milestone(5, kind="that", group="Esports"),
        ]
    )
    assert [(name, len(members)) for name, members in found] == [
        ("Sports, often", SECTION_MIN),
        ("Sports, other types", 2),
        ("Esports, all types", 2),
        ("Crypto, alone", 1),
    ]


@pytest.mark.parametrize("count", [1, TITLED_MAX + 1, LABELLED_MAX + 1], ids=["titled", "labelled", "packed"])
def test_charts_are_valid(count: int) -> None:
    found = [milestone(hour / 2) for hour in range(count)]
    for chart in (timeline(found, WINDOW, VIEW), starts_by_hour(found, WINDOW, VIEW)):
        assert chart.to_dict()["layer"]
