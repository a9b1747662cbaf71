"""The live data of a milestone as a function of the milestone and of the time: nothing is stored. Pure.

Live data appear a day before the start. Scores only grow; after the end they stay, with a final status.
"""

from __future__ import annotations

import msgspec

from sandbox.factory import DAY, HOUR, MINUTE
from sandbox.rfc3339 import MICROS, parse_micros
from sandbox.row import Row
from sandbox.siblings.chance import happens
from sandbox.siblings.index import naming_of
from sandbox.siblings.live_details import BUILDERS, Match, Phase
from schemas.api import JsonObject

SHOWN_BEFORE_SECONDS = DAY

SECONDS_BY_TYPE = {
    "football_game": 195 * MINUTE,
    "basketball_game": 150 * MINUTE,
    "soccer_tournament_multi_leg": 115 * MINUTE,
    "table_tennis_match": 40 * MINUTE,
    "mma_match": 30 * MINUTE,
    "boxing_match": 45 * MINUTE,
    "company_report": 90 * MINUTE,
    "golf_tournament": 4 * DAY,
    "political_race": 12 * HOUR,
    "artist_streams": 7 * DAY,
}
OTHER_SECONDS = 3 * HOUR
"""How long a milestone without an end lasts."""
LONGEST_SECONDS = 7 * DAY
"""An end that is later than this after the start, or before it, is a placeholder."""

OTHER_TYPE = "one_off_milestone"
OTHER_TYPE_SHARE = 0.5
"""Share of company reports whose live data say that they are one-off milestones."""

CALLED_OFF = ("cancelled", "postponed")


def live_data_of(row: Row, now_micros: int) -> JsonObject | None:
    """The live data at a time in microseconds since 1970; None for a type without them, or long before the start."""
    build, naming = BUILDERS.get(row.type), naming_of(row.body)
    now, start = now_micros // MICROS, row.position[0]
    if build is None or naming is None or now < start - SHOWN_BEFORE_SECONDS:
        return None
    milestone_id, details, end = row.position[1], naming.details or {}, end_of(row)
    is_off = (status := details.get("status")) in CALLED_OFF
    # A game that was called off stays as before its start.
    now = min(now, start - 1) if is_off else now
    body = build(Match(milestone_id, phase_of(start, end, now), start, end, now, details))
    if is_off and "status" in body:
        body["status"] = status
    is_other = row.type == "company_report" and happens(milestone_id, "live type", OTHER_TYPE_SHARE)
    return {"details": body, "milestone_id": milestone_id, "type": OTHER_TYPE if is_other else row.type}


def phase_of(start: int, end: int, now: int) -> Phase:
    """Where a time is between a start and an end, all in Unix seconds."""
    if now < start:
        return "before"
    return "live" if now < end else "over"


def end_of(row: Row) -> int:
    """When the milestone ends: its own end unless that is a placeholder, else by its type. In Unix seconds."""
    start = row.position[0]
    text = _end_decoder.decode(row.body).end_date
    if text is not None:
        end = parse_micros(text) // MICROS
        if start < end <= start + LONGEST_SECONDS:
            return end
    return start + SECONDS_BY_TYPE.get(row.type, OTHER_SECONDS)


class _End(msgspec.Struct):
    end_date: str | None = None


_end_decoder = msgspec.json.Decoder(_End)
