"""Placeholder dates: Kalshi opened in 2021, so a milestone on the first two days of 2000 has no real date."""

from __future__ import annotations

PLACEHOLDER_FROM = 946_684_800_000_000
"""2000-01-01T00:00:00Z, in microseconds since 1970."""

PLACEHOLDER_UNTIL = PLACEHOLDER_FROM + 2 * 86_400_000_000
"""The first moment that is none: 2000-01-03T00:00:00Z."""


def is_placeholder(time: int | None) -> bool:
    """Whether a time, in microseconds since 1970, is a placeholder; None is not."""
    return time is not None and PLACEHOLDER_FROM <= time < PLACEHOLDER_UNTIL
