"""Requests that cannot be answered: each is one JSON object `{"error": ...}` with its HTTP status."""

from __future__ import annotations

from pipelines.escaping import one_line

QUOTED_CHARACTERS = 100


class Refused(Exception):
    """A request that gets an error: the HTTP status and one line that says what happened and what to do."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def bad_request(message: str) -> Refused:
    """An unknown parameter or a wrong value."""
    return Refused(400, message)


def not_found(message: str) -> Refused:
    """A thing that the published data do not have."""
    return Refused(404, message)


def quoted(text: str) -> str:
    """Text of a request in quotes, for an error message: printable, and not longer than a line."""
    return f"'{one_line(text[:QUOTED_CHARACTERS])}{'...' if len(text) > QUOTED_CHARACTERS else ''}'"
