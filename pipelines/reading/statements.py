"""Where one SQL statement ends and the next begins, as DuckDB's own scanner sees it."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

_END = b";"


def statements(text: str) -> Iterator[str]:
    """The statements of a text, each without its semicolon; what holds nothing but comments is left out.

    A statement that does not parse is one as well: those before it can be run. Lengths of tokens are in bytes.
    """
    data = text.encode("utf-8", "surrogateescape")
    begin, has_words = 0, False
    for offset, kind in duckdb.tokenize(text):
        if _is_end(data, offset, kind):
            if has_words:
                yield data[begin:offset].decode("utf-8", "surrogateescape").strip()
            begin, has_words = offset + 1, False
        elif kind != duckdb.token_type.comment:
            has_words = True
    if has_words:
        yield data[begin:].decode("utf-8", "surrogateescape").strip()


def is_complete(text: str) -> bool:
    """Whether a text ends with a semicolon that ends a statement; comments may follow it."""
    data = text.encode("utf-8", "surrogateescape")
    words = [token for token in duckdb.tokenize(text) if token[1] != duckdb.token_type.comment]
    return bool(words) and _is_end(data, *words[-1])


def _is_end(data: bytes, offset: int, kind: duckdb.token_type) -> bool:
    return kind == duckdb.token_type.operator and data[offset : offset + 1] == _END
