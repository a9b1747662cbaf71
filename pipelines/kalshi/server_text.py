"""Text that a server wrote, made fit for one line of a log: bounded, and nothing in it can act on a terminal.

Only wording lives here; which answer is an error is the client's business.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pipelines.escaping import printable

QUOTE_CHARACTERS = 200
"""Longest piece of a server's text in a message: enough to recognise a firewall's page."""


def quoted(raw: bytes | str, *, characters: int = QUOTE_CHARACTERS) -> str:
    """The beginning of a server's text, escaped; `...` marks that there was more."""
    # Four bytes are the most that one character takes: never decode a page to show a line of it.
    head = raw[: characters * 4].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    shown = printable(head[:characters])
    # Escaping lengthens: the bound holds for what is shown, not for what was read.
    is_whole = len(head) <= characters and len(shown) <= characters and len(raw) <= characters * 4
    return shown if is_whole else shown[:characters] + "..."


def error_message(body: bytes) -> str:
    """What an error answer says, escaped and bounded; "" when it says nothing.

    The API has four shapes of error: `{"msg"}` (bad parameter), `{"error": {"code", "message"}}` (not found),
    `{"error": "text"}` (too many requests) and `{"code", "message", "details"}` (its description). Anything
    else, a firewall's HTML above all, is quoted as it is.
    """
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # msgspec's DecodeError and UnicodeDecodeError are ValueErrors
        return quoted(body.strip())
    said = _said(decoded)
    return quoted(said) if said else quoted(body.strip())


def _said(decoded: Any) -> str:
    if not isinstance(decoded, dict):
        return ""
    inner = decoded.get("error")
    if isinstance(inner, dict):
        return _said_in(inner, "code", "message", "details")
    if isinstance(inner, str):
        return inner
    return _said_in(decoded, "msg") or _said_in(decoded, "code", "message", "details")


def _said_in(fields: dict[str, Any], *names: str) -> str:
    """The named fields that hold text, joined; numbers and objects say nothing a reader could use."""
    parts = (fields.get(name) for name in names)
    return ": ".join(part for part in parts if isinstance(part, str) and part)
