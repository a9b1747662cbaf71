"""Names and texts as SQL writes them. Light: what only asks should not have to load Arrow."""

from __future__ import annotations


def quote(identifier: str) -> str:
    """An SQL identifier, quoted."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
