"""Settings from environment variables."""

from __future__ import annotations

import os

REFRESH_VARIABLE = "MILESTONES_DASHBOARD_REFRESH_SECONDS"
REFRESH_SECONDS = 5.0


def refresh_seconds() -> float:
    """Seconds between an open page's checks for a new publish; a check reads the date of one file."""
    return float(os.environ.get(REFRESH_VARIABLE) or REFRESH_SECONDS)
