"""Formats of times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from board.times import Zone, epoch_ms, in_both, in_utc, relative, signed_span, span

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "city", "is_utc"),
    [
        ("Europe/Berlin", "Berlin", False),
        ("America/Argentina/Buenos_Aires", "Buenos Aires", False),
        ("UTC", "UTC", True),
        (None, "UTC", True),
        ("", "UTC", True),
        ("Nowhere/City", "UTC", True),
        ("../../etc/passwd", "UTC", True),
    ],
    ids=str,
)
def test_zones(name: str | None, city: str, *, is_utc: bool) -> None:
    zone = Zone.named(name)
    assert (zone.city, zone.is_utc) == (city, is_utc)


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        ("UTC", "Wed 25 Nov 2026 12:00 UTC"),
        ("Europe/Berlin", "Wed 25 Nov 2026 12:00 UTC · 13:00 Berlin"),
        ("Pacific/Auckland", "Wed 25 Nov 2026 12:00 UTC · Thu 01:00 Auckland"),
    ],
)
def test_both_zones(zone: str, written: str) -> None:
    assert in_both(NOON, Zone.named(zone)) == written


def test_no_time() -> None:
    assert in_utc(None) == in_both(None, Zone.named("Europe/Berlin")) == "–"
    assert relative(None, NOON) == "never"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (61, "1 min 1 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (86_460, "1 d"),
        (-3660, "1 h 1 min"),
    ],
)
def test_spans(seconds: float, words: str) -> None:
    assert span(timedelta(seconds=seconds)) == words


def test_signs() -> None:
    assert signed_span(timedelta(hours=2)) == "+2 h"
    assert signed_span(timedelta(hours=-2)) == "−2 h"


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(seconds=59), "now"),
        (timedelta(seconds=-59), "now"),
        (timedelta(minutes=5, seconds=40), "in 5 min"),
        (timedelta(minutes=-5, seconds=-40), "5 min ago"),
        (timedelta(hours=2, minutes=5), "in 2 h 5 min"),
        (timedelta(days=-3, hours=-1, minutes=-2), "3 d 1 h ago"),
    ],
    ids=str,
)
def test_relative(ahead: timedelta, words: str) -> None:
    assert relative(NOON + ahead, NOON) == words


def test_epoch() -> None:
    assert epoch_ms(datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)) == 1500
