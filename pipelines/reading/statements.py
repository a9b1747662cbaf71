"""Splits a text into SQL statements, with DuckDB's tokenizer."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

_END = b";"


def statements(text: str) -> Iterator[str]:
    """The statements of a text without their semicolons. Parts that have only comments are left out.

    A statement with a syntax error is included, so that the ones before it can run.
    """
    # Token offsets are in bytes.
    data = text.encode("utf-8", "surrogateescape")
    begin, has_tokens = 0, False
    for offset, kind in duckdb.tokenize(text):
        if _is_end(data, offset, kind):
            if has_tokens:
                yield data[begin:offset].decode("utf-8", "surrogateescape").strip()
            begin, has_tokens = offset + 1, False
        elif kind != duckdb.token_type.comment:
            has_tokens = True
    if has_tokens:
        yield data[begin:].decode("utf-8", "surrogateescape").strip()


def is_complete(text: str) -> bool:
    """Whether the last statement of a text ends with a semicolon; comments may follow it."""
    data = text.encode("utf-8", "surrogateescape")
    tokens = [token for token in duckdb.tokenize(text) if token[1] != duckdb.token_type.comment]
    return bool(tokens) and _is_end(data, *tokens[-1])


def _is_end(data: bytes, offset: int, kind: duckdb.token_type) -> bool:
    return kind == duckdb.token_type.operator and data[offset : offset + 1] == _END
