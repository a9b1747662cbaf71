"""Escaping of text from the API for each output: terminal, log, JSON, CSV, Markdown.

Titles and details are untrusted: they can hold ANSI sequences, spreadsheet formulas and HTML. Values, column names (a
PIVOT makes them out of data) and quoted messages use the same functions.
"""

from __future__ import annotations

import json
import re
from typing import IO

_HTML = {"<": "&lt;", "&": "&amp;"}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str) -> str:
    r"""Escape every non-printable character (newlines, ANSI, bidi marks, surrogates) as `\x1b` or `\u202e`."""
    return "".join(
        # str.isprintable rejects control and format characters, and every separator except the space.
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def one_line(text: str) -> str:
    """One printable line: newlines and other non-printable characters are escaped."""
    return text if text.isprintable() else printable(text)


def escape_json(text: str) -> str:
    """Equivalent JSON text in which non-printable characters are JSON escapes."""
    if text.replace("\n", "").isprintable():
        return text
    # Outside its strings, JSON has only printable characters and the line ends of its indentation.
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


_NUMBER = re.compile(r"[-+](([0-9]+|[0-9]{1,3}(,[0-9]{3})+)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?%?", re.ASCII)
"""What a spreadsheet reads as a number, not a formula: American odds (+150) and spreads (-3.5) begin with a sign."""


def escape_csv(text: str) -> str:
    """A CSV cell or name: text that a spreadsheet would run as a formula gets an apostrophe, the rest is unchanged."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text) else text


_MARKDOWN = re.compile(r"""\\(?=[!-/:-@\[-`{-~]) | [|`<&] | (?<=\])\(""", re.VERBOSE)
"""What to escape: characters that end a cell, begin code or HTML, or make a link; a backslash before punctuation."""


def escape_markdown(text: str) -> str:
    """A cell of a Markdown table, without links, images, HTML or a premature end of the cell."""
    return _MARKDOWN.sub(lambda mark: _HTML.get(mark[0], f"\\{mark[0]}"), one_line(text))


def write(file: IO[str], text: str) -> None:
    """Write text unchanged to a file or a pipe; escape each of its lines for a terminal."""
    file.write("\n".join(map(one_line, text.split("\n"))) if file.isatty() else text)
