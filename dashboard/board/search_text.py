"""Normalizes text for searching, in Python and in SQL."""

from __future__ import annotations

import unicodedata

STROKED, PLAIN = "łøđħı", "lodhi"
"""Letters that Unicode does not decompose, and what people type for them."""

_LETTERS = str.maketrans(STROKED, PLAIN)


def fold(text: str) -> str:
    """Text without case and accents: Świątek becomes swiatek."""
    letters = unicodedata.normalize("NFD", text.casefold())
    return "".join(mark for mark in letters if not unicodedata.combining(mark)).translate(_LETTERS)


def folded(expression: str) -> str:
    """The same of an SQL expression (trusted SQL)."""
    return f"translate(lower(strip_accents({expression})), '{STROKED}', '{PLAIN}')"
