"""Benchmark figures in the documentation: copied from bench/RESULTS.md, never typed.

A figure is a number in front of a comment that names its place, `16<!-- bench: 170,000 milestones / first full sweep /
wall s -->`: section, row and column of a table in RESULTS.md. `make docs` writes the numbers, with as many decimals as
they have in the text. Measurements of another kind are in blocks of their own, between `<!-- single runs -->` and
`<!-- end of single runs -->`; anywhere else, a sentence with a benchmark's size and a time or an amount of memory is an
unmarked figure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

Place = tuple[str, ...]
"""Section, row and column of a table in RESULTS.md."""

_FIGURE = re.compile(r"(?P<value>\d+(?:\.\d+)?)(?P<marker><!-- bench: (?P<place>[^>]*?) -->)")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SINGLE_RUNS = re.compile(r"<!-- single runs -->.*?<!-- end of single runs -->", re.DOTALL)
_SIZE = re.compile(r"\b(?:17,000|170,000|1,700,000)\b")
_AMOUNT = re.compile(r"\b\d[\d.,]*\s?(?:ms|s|x|MB|GB|MiB|GiB|seconds|minutes|times)\b")
_TEXT_UNIT = re.compile(r"\n\s*\n|\n(?=\s*(?:[-|]|\d+\.) )")


class UnknownPlace(ValueError):
    """A marker names a place that RESULTS.md does not have."""


def results(text: str) -> dict[Place, str]:
    """The cells of all tables of RESULTS.md, by their places."""
    found: dict[Place, str] = {}
    section = ""
    columns: list[str] = []
    for line in text.splitlines():
        if line.startswith("## "):
            section, columns = line.removeprefix("## "), []
        elif line.startswith("|"):
            row, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            if not columns:
                columns = cells
            elif not set(row) <= set("-: "):
                found |= {(section, row, column): cell for column, cell in zip(columns, cells, strict=True)}
    return found


def with_figures(document: str, measured: Mapping[Place, str]) -> str:
    """The document with every marked figure as it was measured. Raises UnknownPlace."""

    def figure(found: re.Match[str]) -> str:
        place = tuple(found["place"].split(" / "))
        if place not in measured:
            raise UnknownPlace(f"bench/RESULTS.md has no {found['place']!r}: give section / row / column")
        decimals = len(found["value"].partition(".")[2])
        return f"{float(measured[place]):.{decimals}f}{found['marker']}"

    return _FIGURE.sub(figure, document)


def unmarked_figures(document: str) -> Iterator[str]:
    """Sentences, list items and table rows with a benchmark's size and a figure that no marker places."""
    for pattern in (_CODE, _SINGLE_RUNS, _FIGURE):
        document = pattern.sub("", document)
    for text in _TEXT_UNIT.split(document):
        if _SIZE.search(text) and (amount := _AMOUNT.search(text)):
            yield f"{amount[0]} in: {' '.join(text.split())[:120]}"
