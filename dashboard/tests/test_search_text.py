"""Search ignores case and accents."""

from __future__ import annotations

import duckdb
import pytest

from board.search_text import fold, folded


@pytest.mark.parametrize(
    ("text", "expected"), [("Świątek", "swiatek"), ("STRASSE", "strasse"), ("Straße", "strasse"), ("ŁØĐıİ", "lodii")]
)
def test_case_and_accents_do_not_count(text: str, expected: str) -> None:
    assert fold(text) == expected


@pytest.mark.parametrize("text", ["Świątek", "Łódź", "ØĐı", "plain"])
def test_sql_folds_text_alike(text: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {folded('$text')}", {"text": text}).fetchall() == [(fold(text),)]
