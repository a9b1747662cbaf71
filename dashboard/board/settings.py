"""What the environment may set."""

from __future__ import annotations

import os

REFRESH_VARIABLE = "MILESTONES_DASHBOARD_REFRESH_SECONDS"
REFRESH_SECONDS = 5.0


def refresh_seconds() -> float:
    """How often an open page looks for a new publish: one look at a file's date."""
    return float(os.environ.get(REFRESH_VARIABLE) or REFRESH_SECONDS)
