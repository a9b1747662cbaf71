"""The log of unattended runs: a line a record, as JSON or as text, on a stream of the caller's choice.

Records quote titles and answers that others wrote: nothing in them can break a line, act on a terminal, or give a
secret away.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Literal, TextIO

from pipelines.errors import WrongSetting
from pipelines.escaping import printable
from pipelines.observability.alerts import redact
from pipelines.settings import LOG_VARIABLE, setting

LOGGER = "pipelines"
CONTEXT = ("sweep_id", "page", "run_id")
"""What a record may have by `extra=`."""

LogFormat = Literal["json", "text"]


def log_format() -> LogFormat:
    """How the log is written: `MILESTONES_LOG`, text when not set. Raises WrongSetting."""
    text: str = setting("log")
    match text.strip().lower():
        case "json":
            return "json"
        case "text":
            return "text"
    raise WrongSetting(f"{LOG_VARIABLE} is {text[:40]!r}: give json or text")


def configure(stream: TextIO, *, as_json: bool, level: int | str) -> None:
    """Log what the pipeline says, from `level` on, to a stream; what was configured here before is replaced."""
    logger = logging.getLogger(LOGGER)
    for handler in [one for one in logger.handlers if isinstance(one, _Handler)]:
        logger.removeHandler(handler)
        handler.close()
    handler = _Handler(stream)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter())
    # On the handler: a logger's filters do not see what its children log.
    handler.addFilter(redact_record)
    logger.addHandler(handler)
    logger.setLevel(level)


def redact_record(record: logging.LogRecord) -> bool:
    """A filter that lets every record pass, its message, exception and context redacted.

    The record itself is changed, and the root logger's handlers (Dagster's, say) come after ours.
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
    """A record as one JSON object in one line of ASCII.

    Fields: time (RFC 3339, UTC), level, logger, message; sweep_id, page, run_id where the record has them; exception
    and stack as one string each where there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
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
        # Printable ASCII alone: escapes do nothing to a terminal and break no line, as U+2028 does for some readers.
        return json.dumps({name: _whole(value) for name, value in entry.items()}, separators=(",", ":"))


class TextFormatter(logging.Formatter):
    """A record as one printable line; an exception's lines follow behind a bar, so that none passes for a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines, without the end of the last."""
        context = " ".join(f"{name}={value}" for name, value in _context(record).items())
        line = f"{_time(record)} {record.levelname} {record.name}: {_message(record)}{context and f' [{context}]'}"
        traces = [trace for trace in (_exception(record), record.stack_info) if trace]
        behind = [f"    | {printable(one)}" for trace in traces for one in trace.split("\n")]
        return "\n".join([printable(line), *behind])


class _Handler(logging.StreamHandler[TextIO]):
    """Known by its class, to be replaced when the log is configured again."""


def _message(record: logging.LogRecord) -> str:
    """What is logged; a call whose arguments do not fit its message is shown as it is, it must not end a run."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments word themselves, and may raise anything
        return f"{record.msg!s} (its arguments do not fit)"


def _exception(record: logging.LogRecord) -> str:
    if record.exc_text:
        return record.exc_text
    return logging.Formatter().formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""


def _time(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _context(record: logging.LogRecord) -> dict[str, str | int]:
    """Sweep, page and run, where the record has them."""
    found = ((name, getattr(record, name, None)) for name in CONTEXT)
    return {name: value if isinstance(value, int) else str(value) for name, value in found if value is not None}


def _whole(value: str | int) -> str | int:
    """Half a surrogate pair, which JSON can spell and readers refuse, is spelled out."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value
