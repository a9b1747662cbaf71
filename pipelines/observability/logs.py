"""The log of unattended runs: one line per record, as JSON or text.

Records quote titles and responses of the API. They are escaped, so that none can break a line or control a terminal,
and secrets are redacted.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO

from pipelines.errors import WrongSetting
from pipelines.escaping import printable
from pipelines.observability.redaction import redact
from pipelines.settings import LOG_VARIABLE, setting

LOGGER = "pipelines"
CONTEXT = ("sweep_id", "page", "run_id")
"""Fields that `extra=` may add to a record."""

LogFormat = Literal["json", "text"]


def log_format(environment: Mapping[str, str] = os.environ) -> LogFormat:
    """The format of the log from `MILESTONES_LOG`; text if it is not set. Raises WrongSetting."""
    text: str = setting("log", environment)
    match text.strip().lower():
        case "json":
            return "json"
        case "text":
            return "text"
    raise WrongSetting(f"{LOG_VARIABLE} is {text[:40]!r}: give json or text")


def configure(stream: TextIO, *, as_json: bool, level: int | str) -> None:
    """Log the pipeline's records of `level` and above to a stream; replaces an earlier configuration."""
    logger = logging.getLogger(LOGGER)
    for handler in [existing for existing in logger.handlers if isinstance(existing, _Handler)]:
        logger.removeHandler(handler)
        handler.close()
    handler = _Handler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    # A filter of the handler: filters of a logger do not see the records of its children.
    handler.addFilter(redact_record)
    logger.addHandler(handler)
    logger.setLevel(level)


def redact_record(record: logging.LogRecord) -> bool:
    """A filter that keeps every record and redacts its message, exception and context.

    It changes the record itself, so handlers of the root logger (such as Dagster's), which run later, get it redacted.
    """
    record.msg, record.args = redact(_message(record)), None
    trace = _exception(record)
    record.exc_text = redact(trace) if trace else None
    record.stack_info = redact(record.stack_info) if record.stack_info else None
    for name in CONTEXT:
        if isinstance(value := getattr(record, name, None), str):
            setattr(record, name, redact(value))
    return True


class JsonFormatter(logging.Formatter):
    """One JSON object per record, in one line of ASCII.

    Fields: time (RFC 3339, UTC), level, logger, message; if present, sweep_id, page, run_id, exception and stack.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a newline."""
        entry: dict[str, str | int] = {
            "time": _time(record),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **_context(record),
        }
        if trace := _exception(record):
            entry["exception"] = trace
        if record.stack_info:
            entry["stack"] = record.stack_info
        # ASCII only: escapes cannot control a terminal, nor break a line as U+2028 does for some readers.
        return json.dumps({name: _encodable(value) for name, value in entry.items()}, separators=(",", ":"))


class TextFormatter(logging.Formatter):
    """One printable line per record. Lines of an exception follow with a bar, so that none looks like a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines, without the last newline."""
        context = " ".join(f"{name}={value}" for name, value in _context(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_message(record)}{context and f' [{context}]'}"
        traces = [trace for trace in (_exception(record), record.stack_info) if trace]
        trace_lines = [f"    | {printable(text)}" for trace in traces for text in trace.split("\n")]
        return "\n".join([printable(line), *trace_lines])


class _Handler(logging.StreamHandler[TextIO]):
    """A class of its own, so that `configure` finds and replaces its handler."""


def _message(record: logging.LogRecord) -> str:
    """The message. A logging call with wrong arguments must not end a run, so its template is shown."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - __str__ of an argument may raise anything
        return f"{record.msg!s} (its arguments do not fit)"


def _exception(record: logging.LogRecord) -> str:
    if record.exc_text:
        return record.exc_text
    return logging.Formatter().formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _context(record: logging.LogRecord) -> dict[str, str | int]:
    """The fields of CONTEXT that the record has."""
    found = ((name, getattr(record, name, None)) for name in CONTEXT)
    return {name: value if isinstance(value, int) else str(value) for name, value in found if value is not None}


def _encodable(value: str | int) -> str | int:
    """Escape lone surrogates, which JSON can express but readers reject."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value
