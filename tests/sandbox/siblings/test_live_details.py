"""What the details of live data hold, by type, beside statuses and scores (see test_live)."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.factory import DAY, HOUR
from sandbox.siblings.live import phase_of
from sandbox.siblings.live_details import BUILDERS, Match

START = 1_800_000_000


def details(kind: str, seconds: int, name: str = "m", length: int = 4 * HOUR, **of_milestone: Any) -> Any:
    now, end = START + seconds, START + length
    return BUILDERS[kind](Match(name, phase_of(START, end, now), START, end, now, of_milestone))


def test_football() -> None:
    before, live, over = (details("football_game", at) for at in (-5, 90 * 60, 5 * HOUR))
    assert [one["quarter"] for one in (before, live, over)] == [0, 2, 4]
    assert [one["clock"] for one in (before, live, over)] == ["15:00", "07:30", "00:00"]
    assert [one["widget_status"] for one in (before, live, over)] == ["none", "live", "finished"]
    assert live["situation"].keys() == {"down", "goal_to_go", "yardline", "yfd"}
    assert over["winner"] == ""
    assert over["last_play"] == {"description": "End Game", "occurence_ts": START + 4 * HOUR}


def test_basketball_has_the_recorded_keys() -> None:
    live = details("basketball_game", 2 * HOUR)
    assert set(live) == {
        *("away_points", "home_points", "last_event_created_ts", "last_event_is_timeout", "last_updated_ts"),
        *("period", "period_remaining_time", "period_type", "possession", "score_last_updated_ts", "status"),
        *("widget_status", "winner"),
    }
    assert live["last_updated_ts"] == START + 2 * HOUR
    assert live["possession"] in {"away", "home"}
    assert (live["period"], live["period_remaining_time"]) == (3, "12:00")
    assert details("basketball_game", 9 * HOUR)["last_updated_ts"] == START + 4 * HOUR


@pytest.mark.parametrize(
    ("seconds", "half", "time", "text"),
    [(-5, "", "", "Not started"), (HOUR, "1st", "22'", "1st - 22'"), (3 * HOUR, "2nd", "67'", "2nd - 67'")],
)
def test_soccer_tells_the_minute(seconds: int, half: str, time: str, text: str) -> None:
    live = details("soccer_tournament_multi_leg", seconds)
    assert (live["half"], live["time"], live["status_text"]) == (half, time, text)


@pytest.mark.parametrize("name", [f"match {number}" for number in range(20)])
def test_tennis_rounds_add_up(name: str) -> None:
    for seconds in range(-HOUR, 6 * HOUR, HOUR // 3):
        live = details("tennis_tournament_singles", seconds, name)
        rounds = [live["competitor1_round_scores"], live["competitor2_round_scores"]]
        for one, other in zip(*rounds, strict=True):
            assert {one["outcome"], other["outcome"]} in ({"win", "loss"}, {""})
        for side in (1, 2):
            won = sum(one["outcome"] == "win" for one in rounds[side - 1])
            assert live[f"competitor{side}_overall_score"] == won
        assert (live["server"] != "") == (live["status"] == "live")
    first, second = live["competitor1_overall_score"], live["competitor2_overall_score"]
    assert live["winner"] == ("competitor1" if first > second else "competitor2")


def test_esports_periods_come_one_by_one() -> None:
    assert [list(details("esports_match", at)["home_periods"]) for at in (-5, 0, 2 * HOUR, 5 * HOUR)] == [
        [],
        ["period_1"],
        ["period_1", "period_2"],
        ["period_1", "period_2", "period_3"],
    ]


def test_the_leaderboard_lists_the_milestone_s_competitors() -> None:
    ids = [f"golfer {number}" for number in range(12)]
    assert details("golf_tournament", -5, competitor_ids=ids)["leaderboard"] == []
    live = details("golf_tournament", 2 * HOUR, competitor_ids=ids)
    assert [one["competitor_id"] for one in live["leaderboard"]] == ids[:10]
    assert live["current_round"] == 3
    assert details("golf_tournament", 2 * HOUR)["leaderboard"] == []


def test_a_race_is_reported_and_called() -> None:
    states = [details("political_race", at, candidate_ids=["x", "y"]) for at in (-5, 2 * HOUR, 5 * HOUR)]
    assert [one["reporting_percentage"] for one in states] == [0.0, 50.0, 100.0]
    assert [one["race_call_status"] for one in states] == ["Not Called", "Too Early to Call", "Called"]
    assert [one["candidate_id"] for one in states[2]["candidates"]] == ["x", "y"]
    assert states[0]["candidates"][0]["votes"] == 0 < states[2]["candidates"][0]["votes"]


def test_a_report_moves_from_next_to_latest() -> None:
    event = {"name": "Earnings call", "ts": START}
    before, live = details("company_report", -5), details("company_report", 5)
    assert (before["latest_event"], before["next_event"]) == (None, event)
    assert (live["latest_event"], live["next_event"]) == (event, None)


def test_series_in_time_grow_a_day_at_a_time() -> None:
    first, second = (details("artist_streams", at, length=7 * DAY) for at in (DAY, 2 * DAY))
    assert len(second["timeseries_daily"]) == 2
    assert second["timeseries_daily"][:1] == first["timeseries_daily"]
    reading = details("truflation", HOUR)
    assert reading["latest_value"] == reading["timeseries"][-1]["value"]
