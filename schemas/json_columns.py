"""Which columns hold JSON as text. Imports nothing: `milestones sql` must not load Arrow, as schemas.tables does."""

from __future__ import annotations

JSON_TEXT_COLUMNS = frozenset(
    ("details", "extra", "record", "filters", "categories", "tags", "settlement_sources", "product_metadata")
)
"""Names of such columns in the published tables. Their type is VARCHAR, which every tool can read."""
