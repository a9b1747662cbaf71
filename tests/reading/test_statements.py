"""A text is split at the ends of statements; semicolons in strings, names and comments do not count."""

from __future__ import annotations

import pytest

from pipelines.reading.statements import is_complete, statements

SPLITS = {
    "one": ("select 1", ["select 1"]),
    "two": ("select 1; select 2;", ["select 1", "select 2"]),
    "strings": ("select 'a;''b'; select 2", ["select 'a;''b'", "select 2"]),
    "names": ('select 1 as "a;b"; select 2', ['select 1 as "a;b"', "select 2"]),
    "dollars": ("select $$a;b$$; select $x$;$x$", ["select $$a;b$$", "select $x$;$x$"]),
    "comments": ("-- a; b\nselect 1 /* ; */; select 2 -- c;", ["-- a; b\nselect 1 /* ; */", "select 2 -- c;"]),
    "beyond ASCII": ("select 'é東;🏀'; select 'ü'", ["select 'é東;🏀'", "select 'ü'"]),
    "no statement": (" ;; -- x\n; /* y */", []),
    "syntax error": ("select 1; selec 2; select 3", ["select 1", "selec 2", "select 3"]),
    "unterminated string": ("select 1; select 'a;", ["select 1", "select 'a;"]),
}


@pytest.mark.parametrize(("text", "parts"), SPLITS.values(), ids=SPLITS)
def test_statements(text: str, parts: list[str]) -> None:
    assert list(statements(text)) == parts


@pytest.mark.parametrize(
    ("text", "complete"),
    [("select 1;", True), ("select 1; -- x", True), ("select 1", False), ("select 'a;", False), ("-- x;", False)],
    ids=str,
)
def test_is_complete(text: str, *, complete: bool) -> None:
    assert is_complete(text) is complete
