"""Search ignores case and accents."""

from __future__ import annotations

import pytest

from board.search_text import fold


@pytest.mark.parametrize(("text", "expected"), [("Świątek", "swiatek"), ("STRASSE", "strasse"), ("Straße", "strasse")])
def test_case_and_accents_do_not_count(text: str, expected: str) -> None:
    assert fold(text) == expected
