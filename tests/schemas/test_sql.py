"""Quoting of identifiers and literals, proved by DuckDB."""

from __future__ import annotations

import duckdb
import pytest

from schemas.sql import literal, quote

TEXTS = ["plain", "it's", 'say "hi"', "a.b; DROP TABLE x --", "back\\slash", "東京", "two\nlines", "''", '""']


@pytest.mark.parametrize("text", TEXTS)
def test_a_literal_is_read_back_as_its_text(text: str) -> None:
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT {literal(text)}").fetchall() == [(text,)]


@pytest.mark.parametrize("name", TEXTS)
def test_an_identifier_is_read_back_as_its_name(name: str) -> None:
    with duckdb.connect() as connection:
        assert [column[0] for column in connection.execute(f"SELECT 1 AS {quote(name)}").description] == [name]


def test_spelling() -> None:
    assert (quote('a"b'), literal("a'b")) == ('"a""b"', "'a''b'")
