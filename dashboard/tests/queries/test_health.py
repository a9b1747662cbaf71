"""Freshness, sweeps, refused records, new fields and quality in the known data: three full sweeps, one refusal each."""

from __future__ import annotations

from datetime import timedelta

import duckdb

from board.queries import health

from ..known import RACES


def test_freshness(connection: duckdb.DuckDBPyConnection) -> None:
    fresh = health.freshness(connection)
    assert fresh is not None
    assert (fresh.milestones, fresh.sweeps) == (RACES + 8, 3)
    assert fresh.last_full_sweep_at == fresh.last_sweep_at
    assert fresh.last_incremental_at is None


def test_sweeps_newest_first(connection: duckdb.DuckDBPyConnection) -> None:
    found = health.sweeps(connection, 9)
    assert [(sweep.mode, sweep.new, sweep.changed) for sweep in found] == [
        ("full", 1, 0),
        ("full", 0, 1),
        ("full", RACES + 8, 0),
    ]
    assert all(timedelta(0) < sweep.duration < timedelta(minutes=1) for sweep in found)
    assert len(health.sweeps(connection, 2)) == 2


def test_refusals(connection: duckdb.DuckDBPyConnection) -> None:
    (refusal,) = health.refusals(connection)
    assert refusal.field == "title"
    assert refusal.records == len(health.refused(connection, 99))
    assert '"title":7' in health.refused(connection, 1)[0].record.replace(" ", "")


def test_drift(connection: duckdb.DuckDBPyConnection) -> None:
    assert [(field.type, field.path, field.example) for field in health.drift(connection, 9)] == [
        ("football_game", "broadcast", "live")
    ]


def test_quality(connection: duckdb.DuckDBPyConnection) -> None:
    broken = {rule.rule: rule.milestones for rule in health.quality(connection) if rule.milestones}
    assert broken["simulated"] == 1
    assert "no_start" not in broken
    assert {rule.rule: rule.share for rule in health.quality(connection)}["no_start"] == 0
