"""Data that is shown acts on nothing: no terminal, spreadsheet, Markdown viewer or log takes it for a command.

The rules for all of them; values, column names and quoted messages pass through the same ones. A PIVOT makes column
names out of data.
"""

from __future__ import annotations

import json
import re
from typing import IO

_HTML = {"<": "&lt;", "&": "&amp;"}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    r"""The text with everything that does not print (newlines, ANSI, bidi marks, surrogates) as `\x1b`, `\u202e`."""
    return "".join(
        # A space is the one blank that prints; str.isprintable refuses controls, formats and separators.
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def one_line(text: str) -> str:
    """For people: what does not print (newlines, ANSI, bidi marks) is spelled out."""
    return text if text.isprintable() else printable(text)


def in_json(text: str) -> str:
    """JSON text that means the same, with what does not print as JSON's own escapes."""
    if text.replace("\n", "").isprintable():
        return text
    # Outside of strings JSON has nothing but printable characters and its own line ends.
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


_NUMBER = re.compile(r"[-+](([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?%?", re.ASCII)
"""What spreadsheets read as a number: it runs nothing. American odds (+150) and spreads (-3.5) begin with a sign."""


def in_csv(text: str) -> str:
    """A cell or a name that a spreadsheet does not run as a formula; everything else, numbers too, as it is."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text) else text


_MARKDOWN = re.compile(r"""\\(?=[!-/:-@\[-`{-~]) | [|`<&] | (?<=\])\(""", re.VERBOSE)
"""A backslash before a mark, which it would escape, and the marks that end a cell, begin code or HTML, or link."""


def in_markdown(text: str) -> str:
    """A cell of a Markdown table in which nothing ends the cell, links, loads a picture or is HTML."""
    return _MARKDOWN.sub(lambda mark: _HTML.get(mark[0], f"\\{mark[0]}"), one_line(text))


def write(file: IO[str], text: str) -> None:
    """Write lines to a file or a pipe as they are, to a terminal with what does not print spelled out."""
    file.write("\n".join(map(one_line, text.split("\n"))) if file.isatty() else text)
