"""Text from a server, prepared for one line of a log: bounded in length, without control characters.

Which response is an error is decided in `status_codes`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pipelines.escaping import printable

QUOTE_CHARACTERS = 200
"""The most characters of a server's text in a message: enough to recognise a firewall's page."""


def quoted(raw: bytes | str, *, characters: int = QUOTE_CHARACTERS) -> str:
    """The start of a server's text, escaped; `...` marks that it was longer."""
    # A character takes four bytes at most: never decode a whole page to show a line of it.
    head = raw[: characters * 4].decode("utf-8", "backslashreplace") if isinstance(raw, bytes) else raw
    shown = printable(head[:characters])
    # Escaping lengthens text: the bound applies to the result.
    is_whole = len(head) <= characters and len(shown) <= characters and len(raw) <= characters * 4
    return shown if is_whole else shown[:characters] + "..."


def error_message(body: bytes) -> str:
    """The message in an error's body, escaped and bounded; "" for an empty body.

    The API has four shapes of error: `{"msg"}` (bad parameter), `{"error": {"code", "message"}}` (not found),
    `{"error": "text"}` (too many requests) and `{"code", "message", "details"}` (its published description). Anything
    else, a firewall's HTML above all, is quoted as received.
    """
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):  # msgspec's DecodeError and UnicodeDecodeError are ValueErrors
        return quoted(body.strip())
    message = _message(decoded)
    return quoted(message) if message else quoted(body.strip())


def _message(decoded: Any) -> str:
    if not isinstance(decoded, dict):
        return ""
    inner = decoded.get("error")
    if isinstance(inner, dict):
        return _joined(inner, "code", "message", "details")
    if isinstance(inner, str):
        return inner
    return _joined(decoded, "msg") or _joined(decoded, "code", "message", "details")


def _joined(fields: dict[str, Any], *names: str) -> str:
    """The named fields that are text, joined with colons; numbers and objects do not help a reader."""
    parts = (fields.get(name) for name in names)
    return ": ".join(part for part in parts if isinstance(part, str) and part)
