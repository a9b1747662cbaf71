"""Rows to Altair charts: layout and drawing. No queries, no page."""
