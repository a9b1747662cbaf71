"""The newest live data of a milestone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

from board.published import reading
from board.queries import live_data

from ..known import FRESH, LIVE, row
from ..publishing import number, publishing


def test_live_data_of_a_milestone(connection: duckdb.DuckDBPyConnection) -> None:
    found = live_data.of_milestone(connection, number(LIVE))
    assert found is not None
    assert (found.score, found.live_status, found.live_status_group) == ("7 – 3.5", "inprogress", "live")
    assert live_data.of_milestone(connection, number(FRESH)) is None


def test_the_newest_counts(tmp_path: Path) -> None:
    with publishing(tmp_path) as publisher:
        publisher.milestones(row(LIVE, "Game", -1))
        for points, status in ((1, "inprogress"), (24, "closed")):
            details = {"status": status, "home_points": points, "away_points": 0, "winner": "home"}
            publisher.records("live", {"milestone_id": number(LIVE), "details": details})
        with reading(publisher.file) as connection:
            found = live_data.of_milestone(connection, number(LIVE))
    assert found is not None
    assert (found.score, found.live_status, found.winner) == ("24 – 0", "closed", "home")


@pytest.mark.parametrize(
    ("home", "away", "group", "score"),
    [
        (7.0, 14.0, "live", "7 – 14"),
        (6.5, 1_234_567.0, "ended", "6.5 – 1234567"),
        (0.0, 0.0, "scheduled", None),
        (0.0, 0.0, None, "0 – 0"),
        (3.0, None, "live", "3 – ?"),
        (None, 3.0, "live", "? – 3"),
        (None, None, "live", None),
    ],
    ids=["whole", "fraction", "not begun", "no status", "home only", "away only", "none"],
)
def test_scores(home: float | None, away: float | None, group: str | None, score: str | None) -> None:
    values: dict[str, Any] = {"home": home, "away": away, "group": group}
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE live_data AS SELECT 'm' AS milestone_id, $group::VARCHAR AS status, status AS status_group, "
            "NULL::VARCHAR AS winner, now() AS observed_at, $home::DOUBLE AS home_score, $away::DOUBLE AS away_score, "
            "true AS is_current",
            values,
        )
        found = live_data.of_milestone(connection, "m")
    assert found is not None
    assert found.score == score
