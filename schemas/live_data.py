"""Live data: the status and the score of milestones that may be live."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from schemas.api import JsonObject
from schemas.columns import one_of, optional_text
from schemas.endpoint import ByKeys, Endpoint, version_log
from schemas.statuses import ENDED, LIVE, STATUS_GROUPS
from schemas.table import DOUBLE, TEXT, TIMESTAMP, Column
from schemas.tables import MILESTONE_ID


class LiveRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record of `GET /live_data/batch`. `type` may differ from the type of the milestone."""

    milestone_id: str
    type: str | None = None
    details: JsonObject | None = None


def _score(name: str, description: str, source: str) -> Column:
    return Column(name, DOUBLE, description, source, nullable=True)


HOME_SCORES = ("home_points", "home_score", "home_same_game_score", "competitor1_overall_score")
AWAY_SCORES = ("away_points", "away_score", "away_same_game_score", "competitor2_overall_score")
"""Fields of `details` with the score, by type of sport; the first one that is present counts."""

WIDGET_GROUPS = {"live": LIVE, "finished": ENDED}
"""Groups by `details.widget_status`, for a status that is absent or unknown; the value none says nothing."""

_LOG = version_log(
    "live_data",
    MILESTONE_ID,
    grain="the live data of a milestone",
    extra=(
        optional_text("type", "Type of the live data, which may differ from that of the milestone.", "type"),
        optional_text("status", "Status as sent.", "details.status"),
        Column(
            "status_group",
            TEXT,
            f"One of {', '.join(STATUS_GROUPS)}; NULL without a status.",
            "status, details.widget_status, status_groups.csv",
            nullable=True,
        ),
        _score("home_score", "Score of the home side or the first competitor.", f"details: {', '.join(HOME_SCORES)}"),
        _score("away_score", "Score of the away side or the second one.", f"details: {', '.join(AWAY_SCORES)}"),
        optional_text("winner", "Winner; NULL while it is not known, also for an empty text.", "details.winner"),
        optional_text("details", "The object `details` as canonical JSON text.", "details"),
        Column(
            "observed_at",
            TIMESTAMP,
            "When these data were first seen, UTC.",
            "our clock",
            generated="valid_from",
        ),
    ),
)

LIVE_DATA = replace(
    _LOG,
    grain="change of the live data of a milestone",
    description="Status and score of milestones that may be live: a row whenever they changed. Append-only.",
    rules=(*_LOG.rules, one_of("status_group", STATUS_GROUPS)),
)

ABOUT_TO_START = "INTERVAL 15 MINUTE"
"""How long before its start a milestone is polled: fights start early."""

AFTER_THE_END = "INTERVAL 1 HOUR"
"""How long after its end, often a guess, a milestone is polled if no live data say that it has ended."""

STALE_AFTER = "INTERVAL 3 HOUR"
"""How long live data that do not change count as live; `live_milestones` has the same rule."""

LIVE_ENDPOINT = Endpoint(
    name="live",
    title="live data",
    path="/live_data/batch",
    page_key="live_datas",
    record=LiveRecord,
    key="milestone_id",
    log=LIVE_DATA,
    tables=(),
    cron="* * * * *",
    by_keys=ByKeys(
        parameter="milestone_ids",
        style="repeated",
        at_most=100,
        wanted=f"""
            SELECT milestone_id, start_date FROM milestones
            LEFT JOIN (FROM usual_durations()) AS durations USING (type)
            ANTI JOIN (SELECT milestone_id FROM live_data WHERE is_current AND status_group IN ('ended', 'off')
                       AND valid_from > $now - INTERVAL 1 DAY) AS over USING (milestone_id)
            WHERE start_date <= $now + {ABOUT_TO_START} AND NOT is_simulated AND NOT has_placeholder_dates
              AND vanished_at IS NULL
              AND (CASE WHEN end_date > start_date THEN end_date
                        ELSE start_date + coalesce(usual_duration, INTERVAL 3 HOUR) END > $now - {AFTER_THE_END}
                   OR milestone_id IN (SELECT milestone_id FROM live_data WHERE is_current AND status_group = 'live'
                                       AND valid_from > $now - {STALE_AFTER}))
        """,  # noqa: S608
        is_repeated=True,
    ),
    times=(),
    volatile=(("details", "last_updated_ts"),),
)
