"""The details of live data by milestone type, with the keys and the statuses that the providers send. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

from sandbox.details import CRICKET_STATUSES
from sandbox.factory import DAY
from sandbox.rfc3339 import format_seconds
from sandbox.siblings.chance import number_of, pick_of
from schemas.api import JsonObject

Phase = Literal["before", "live", "over"]

WIDGET_STATUSES: dict[Phase, str] = {"before": "none", "live": "live", "over": "finished"}
LEADERS = 10
"""Competitors on a leaderboard."""


@dataclasses.dataclass(frozen=True, slots=True)
class Match:
    """A milestone at a time; `start`, `end` and `now` in Unix seconds, `details` are the milestone's."""

    id: str
    phase: Phase
    start: int
    end: int
    now: int
    details: JsonObject

    @property
    def played(self) -> float:
        """The share of the time between start and end that is over, from 0 to 1."""
        return min(max(self.now - self.start, 0) / (self.end - self.start), 1.0)

    @property
    def changed(self) -> int:
        """When the data last changed, in Unix seconds."""
        return min(self.now, self.end)

    def score(self, side: str, most: int) -> int:
        """The score of a side so far; at most `most` at the end."""
        return int((number_of(self.id, side) % (most + 1)) * self.played)

    def status(self, before: str, live: str, *over: str) -> str:
        """The provider's word for the phase; one of `over` when it is over."""
        if self.phase == "over":
            return pick_of(self.id, "final status", over)
        return before if self.phase == "before" else live

    def part(self, parts: int) -> int:
        """Which of so many equal parts is played, from 1; 0 before the start."""
        return 0 if self.phase == "before" else min(int(self.played * parts) + 1, parts)

    def left(self, parts: int, minutes: int) -> str:
        """The time left of a part that lasts so many minutes on the clock."""
        into = self.played * parts % 1 if self.phase == "live" else 1 - (self.phase == "before")
        seconds = int(minutes * 60 * (1 - into))
        return f"{seconds // 60:02d}:{seconds % 60:02d}"


def _last_play(match: Match) -> JsonObject:
    """The key is misspelt by the API."""
    text = {"before": "", "live": "Play under review", "over": "End Game"}[match.phase]
    return {"description": text, "occurence_ts": match.changed if match.phase != "before" else 0}


def _football(match: Match) -> JsonObject:
    return {
        "away_points": match.score("away", 45),
        "clock": match.left(4, 15),
        "home_points": match.score("home", 45),
        "last_play": _last_play(match),
        "quarter": match.part(4),
        "situation": {
            "down": 1 + match.changed // 40 % 4,
            "goal_to_go": False,
            "yardline": 1 + match.changed // 40 % 49,
            "yfd": 1 + match.changed // 40 % 10,
        },
        "status": match.status("scheduled", "inprogress", "closed", "complete"),
        "widget_status": WIDGET_STATUSES[match.phase],
        "winner": "",
    }


def _basketball(match: Match) -> JsonObject:
    return {
        "away_points": match.score("away", 130),
        "home_points": match.score("home", 130),
        "last_event_created_ts": None,
        "last_event_is_timeout": False,
        "last_updated_ts": match.changed,
        "period": match.part(4),
        "period_remaining_time": match.left(4, 12),
        "period_type": "quarter",
        "possession": pick_of(match.id, str(match.changed // 24), ("away", "home")) if match.phase == "live" else "",
        "score_last_updated_ts": None,
        "status": match.status("scheduled", "inprogress", "closed", "complete"),
        "widget_status": WIDGET_STATUSES[match.phase],
        "winner": "",
    }


def _points(match: Match) -> JsonObject:
    """Baseball, hockey, rugby: not recorded."""
    return {
        "away_points": match.score("away", 9),
        "home_points": match.score("home", 9),
        "period": match.part(3),
        "status": match.status("scheduled", "inprogress", "closed", "complete"),
        "widget_status": WIDGET_STATUSES[match.phase],
        "winner": "",
    }


def _soccer(match: Match) -> JsonObject:
    minute = int(match.played * 90)
    half = "" if match.phase == "before" else ("1st" if minute < 45 else "2nd")
    text = f"{half} - {minute}'" if match.phase == "live" else match.status("Not started", "", "Ended", "AET")
    return {
        "away_same_game_score": match.score("away", 4),
        "away_significant_events": [],
        "half": half,
        "home_same_game_score": match.score("home", 4),
        "home_significant_events": [],
        "last_play": _last_play(match),
        "status": match.status("not_started", "live", "closed", "ended"),
        "status_text": text,
        "time": f"{minute}'" if match.phase == "live" else "",
        "winner": "",
    }


def _rounds(match: Match) -> JsonObject:
    """Tennis, table tennis, darts and fights: competitors with rounds."""
    sets = match.part(3)
    body: JsonObject = {
        "server": pick_of(match.id, str(sets), ("competitor1", "competitor2")) if match.phase == "live" else "",
        "status": match.status("not_started", "live", "closed", "ended"),
        "winner": "",
    }
    won = [pick_of(match.id, f"set {one}", (1, 2)) for one in range(sets)]
    is_over = match.phase == "over"
    finished = won if is_over else won[:-1]
    for side in (1, 2):
        rounds: list[JsonObject] = []
        for at, winner in enumerate(won):
            games = 6 if winner == side else number_of(match.id, f"games {at} {side}") % 5
            if at < len(finished):
                rounds.append({"outcome": "win" if winner == side else "loss", "score": games})
            else:
                rounds.append({"outcome": "", "score": int(games * (match.played * 3 % 1))})
        body[f"competitor{side}_overall_score"] = finished.count(side)
        body[f"competitor{side}_round_scores"] = rounds
    if is_over:
        body["winner"] = "competitor1" if won.count(1) > won.count(2) else "competitor2"
    return body


def _cricket(match: Match) -> JsonObject:
    return {
        "away_score": match.score("away", 220),
        "home_score": match.score("home", 220),
        "status": match.status(*(CRICKET_STATUSES[one] for one in ("not_started", "live", "closed", "complete"))),
    }


def _esports(match: Match) -> JsonObject:
    maps = range(1, match.part(3) + 1)
    body: JsonObject = {"status": match.status("not_started", "live", "closed"), "winner": ""}
    for side in ("away", "home"):
        body[f"{side}_periods"] = {f"period_{one}": match.score(f"{side} {one}", 13) for one in maps}
    return body


def _golf(match: Match) -> JsonObject:
    ids: list[Any] = match.details.get("competitor_ids") or []
    board = [
        {"competitor_id": one, "position": at + 1, "thru": match.score(str(one), 18)} for at, one in enumerate(ids)
    ]
    return {
        "current_round": match.part(4),
        "leaderboard": board[:LEADERS] if match.phase != "before" else [],
        "status": match.status("scheduled", "inprogress", "closed", "complete"),
    }


def _race(match: Match) -> JsonObject:
    ids: list[Any] = match.details.get("candidate_ids") or []
    return {
        "candidates": [{"candidate_id": one, "votes": match.score(str(one), 900_000)} for one in ids],
        "race_call_status": match.status("Not Called", "Too Early to Call", "Called"),
        "reporting_percentage": round(100 * match.played, 1),
    }


def _report(match: Match) -> JsonObject:
    event = {"name": "Earnings call", "ts": match.start}
    return {
        "latest_event": None if match.phase == "before" else event,
        "next_event": event if match.phase == "before" else None,
        "status": match.status("scheduled", "live", "final"),
    }


def _reading(match: Match) -> JsonObject:
    days = range(match.start - 2 * DAY, match.changed, DAY)
    values = [{"ts": one, "value": 1 + number_of(match.id, str(one)) % 400 / 100} for one in days]
    return {"latest_value": values[-1]["value"] if values else None, "timeseries": values}


def _streams(match: Match) -> JsonObject:
    days = range(match.start, match.changed, DAY)
    return {
        "timeseries_daily": [
            {"date": format_seconds(one)[:10], "streams": number_of(match.id, str(one)) % 9_000_000} for one in days
        ]
    }


BUILDERS: dict[str, Callable[[Match], JsonObject]] = {
    "football_game": _football,
    "basketball_game": _basketball,
    "baseball_tournament": _points,
    "baseball_game": _points,
    "hockey_tournament": _points,
    "hockey_match": _points,
    "rugby_match": _points,
    "soccer_tournament_multi_leg": _soccer,
    "tennis_tournament_singles": _rounds,
    "tennis_tournament_doubles": _rounds,
    "table_tennis_match": _rounds,
    "darts_match": _rounds,
    "mma_match": _rounds,
    "boxing_match": _rounds,
    "cricket_match": _cricket,
    "esports_match": _esports,
    "golf_tournament": _golf,
    "political_race": _race,
    "company_report": _report,
    "truflation": _reading,
    "artist_streams": _streams,
}
"""The milestone types that have live data."""
