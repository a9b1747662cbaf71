"""Altair charts from rows: layout and drawing. No queries, no page."""
