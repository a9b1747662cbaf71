"""Normalizes text for searching."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """Text without case and accents: Świątek becomes swiatek."""
    return "".join(mark for mark in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(mark))
