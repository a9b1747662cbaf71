"""What the environment may set."""

from __future__ import annotations

import os

REFRESH_VARIABLE = "MILESTONES_DASHBOARD_REFRESH_SECONDS"
REFRESH_SECONDS = 5.0


def refresh_seconds() -> float:
    """How often an open page checks for a new publish; a check reads one file date."""
    return float(os.environ.get(REFRESH_VARIABLE) or REFRESH_SECONDS)
