"""Values for a client: short, and without characters that a terminal or a reader cannot see."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pipelines.escaping import escape_markdown, one_line
from pipelines.reading.json_text import dumps

VALUE_CHARACTERS = 1_000
"""Longer values are cut. An agent that needs the rest selects a part, as the notice says."""

ANSWER_CHARACTERS = 50_000
"""Rows beyond this are left out: an agent reads the whole answer, and many clients refuse a longer one."""


def short(value: Any) -> Any:
    """A value that is JSON or a time: text printable and at most VALUE_CHARACTERS long, else unchanged.

    A longer list or struct becomes text, which is cut.
    """
    if isinstance(value, (list, dict)):
        text = dumps(value)
        return _printable(value) if len(text) <= VALUE_CHARACTERS else _cut(text)
    return _cut(value) if isinstance(value, str) else value


def is_cut(value: Any) -> bool:
    """Whether `short` cuts a value."""
    text = dumps(value) if isinstance(value, (list, dict)) else value
    return isinstance(text, str) and len(text) > VALUE_CHARACTERS


def _cut(text: str) -> str:
    if len(text) <= VALUE_CHARACTERS:
        return one_line(text)
    return f"{one_line(text[:VALUE_CHARACTERS])}… ({len(text):,} characters)"


def short_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows that fit into an answer, at least one, with short values."""
    kept: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        shown = {name: short(value) for name, value in row.items()}
        size += len(json.dumps(shown, ensure_ascii=False, default=str))
        if kept and size > ANSWER_CHARACTERS:
            break
        kept.append(shown)
    return kept


def _printable(value: Any) -> Any:
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, dict):
        return {one_line(key): _printable(item) for key, item in value.items()}
    return one_line(value) if isinstance(value, str) else value


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A Markdown table of short values."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%SZ}"
    return escape_markdown(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
