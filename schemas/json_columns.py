"""Which columns hold JSON as text. Light: `milestones sql` needs it without Arrow, which schemas.tables loads."""

from __future__ import annotations

JSON_TEXT_COLUMNS = frozenset(("details", "extra", "record", "filters"))
"""Of every published table. Their type is VARCHAR, which every tool reads."""
