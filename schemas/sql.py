"""Quoting of SQL identifiers and literals. Imports nothing: read-only commands must not load Arrow."""

from __future__ import annotations


def quote(identifier: str) -> str:
    """An SQL identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
