"""Counts and durations in messages."""

from __future__ import annotations

from datetime import timedelta


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """The count and its noun: 1 row, 2,000 rows. `plural` is for irregular nouns."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def duration(length: timedelta) -> str:
    """A length of time in the largest unit of which it has at least two: 90 seconds, 3 days."""
    seconds = length.total_seconds()
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return counted(round(seconds / size), unit)
    return counted(round(seconds), "second")
