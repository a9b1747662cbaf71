"""Leaves back to the document, from what is documented of paths alone: the judge of flattening."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
INDEX = re.compile(r"\[([0-9]+)\]")
_json = json.JSONDecoder()


def parse_path(path: str) -> list[str | int]:
    """`season.week`, `competitor_ids[0]`, `"a.b".c`: keys as text, places as numbers."""
    steps: list[str | int] = []
    at = 0
    while at < len(path):
        if index := INDEX.match(path, at):
            steps.append(int(index[1]))
            at = index.end()
            continue
        if steps:
            assert path[at] == ".", f"no dot at {at} in {path!r}"
            at += 1
        if path[at] == '"':
            key, at = _json.raw_decode(path, at)
            assert not BARE_KEY.fullmatch(key), f"{key!r} needs no quotes in {path!r}"
        else:
            bare = BARE_KEY.match(path, at)
            assert bare, f"no key at {at} in {path!r}"
            key, at = bare[0], bare.end()
        steps.append(key)
    return steps


def leaf_value(kind: str, value: str | None) -> Any:
    match kind, value:
        case "string", str():
            return value
        case "integer", str():
            return int(value)
        case "number", str():
            return Decimal(value)
        case "boolean", ("true" | "false"):
            return value == "true"
        case "null", None:
            return None
        case "empty_object", None:
            return {}
        case "empty_array", None:
            return []
    raise AssertionError(f"no leaf: {kind} {value!r}")


def rebuild(leaves: Iterable[tuple[str, str, str | None]]) -> Any:
    """The document of (path, kind, value) rows; keys come in the order of the rows, places in any."""
    tree: dict[str | int, Any] = {}
    for path, kind, value in leaves:
        node, step = tree, "root"
        for further in parse_path(path):
            node = node.setdefault(step, {})
            step = further  # type: ignore[assignment]
        assert step not in node, f"{path!r} comes twice"
        node[step] = ("leaf", leaf_value(kind, value))
    return _document(tree["root"])


def _document(node: Any) -> Any:
    if isinstance(node, tuple):
        return node[1]
    if all(isinstance(step, int) for step in node):
        return [_document(node[place]) for place in range(len(node))]
    assert all(isinstance(step, str) for step in node), f"keys and places together: {list(node)}"
    return {key: _document(child) for key, child in node.items()}


def count_leaves(value: Any) -> int:
    if isinstance(value, dict) and value:
        return sum(map(count_leaves, value.values()))
    if isinstance(value, list) and value:
        return sum(map(count_leaves, value))
    return 1
