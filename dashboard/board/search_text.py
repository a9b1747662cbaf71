"""Texts as a search compares them."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """Without case and accents: Świątek is swiatek."""
    return "".join(mark for mark in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(mark))
