"""The log: one line per record for any content, valid JSON, and no secrets."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.errors import WrongSetting
from pipelines.observability.logs import JsonFormatter, TextFormatter, configure, log_format
from tests.support import NOON

CANARY = "canary-5f2c9e-secret"
HOSTILE = (
    'Game "1"\\\r\n2026-11-23T12:00:00Z ERROR root: all is lost\x1b[2J\x1b]0;x\x07\u202e\u2066\u2028\x85\x7f\x9b31m'
)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """A logger of the pipeline; the configuration is restored after the test."""
    logger = logging.getLogger("pipelines")
    handlers, level = list(logger.handlers), logger.level
    yield logging.getLogger("pipelines.kalshi.client")
    logger.handlers[:] = handlers
    logger.setLevel(level)


def record_of(message: object, *arguments: Any, level: int = logging.INFO, **extra: Any) -> logging.LogRecord:
    record = logging.LogRecord("pipelines.x", level, "x.py", 1, message, arguments, None)
    record.created = NOON.timestamp() + 0.25
    vars(record).update(extra)
    return record


def failed(error: BaseException) -> Any:
    try:
        raise error
    except type(error):
        return sys.exc_info()


def parsed(line: str) -> dict[str, Any]:
    assert line.isascii()
    assert line.isprintable()
    entry = json.loads(line)
    assert isinstance(entry, dict)
    return entry


def test_a_record_as_json() -> None:
    line = JsonFormatter().format(record_of("page %d of %s", 3, "東京", level=logging.WARNING))
    assert line == (
        '{"time":"2026-11-23T12:00:00.250Z","level":"WARNING","logger":"pipelines.x",'
        '"message":"page 3 of \\u6771\\u4eac"}'
    )


def test_a_record_as_text() -> None:
    record = record_of("page %d of %s", 3, "東京", sweep_id="000001-20261123T120000Z", page=3)
    assert TextFormatter().format(record) == (
        "2026-11-23T12:00:00.250Z INFO pipelines.x: page 3 of 東京 [sweep_id=000001-20261123T120000Z page=3]"
    )


def test_context_fields_of_a_record() -> None:
    extra: dict[str, Any] = {"sweep_id": "000001-20261123T120000Z", "page": 3, "run_id": "1f0c", "other": "x"}
    entry = parsed(JsonFormatter().format(record_of("m", **extra)))
    assert list(entry) == ["time", "level", "logger", "message", "sweep_id", "page", "run_id"]
    assert entry["page"] == 3
    assert parsed(JsonFormatter().format(record_of("m", page=None, run_id=float("nan"))))["run_id"] == "nan"


def test_an_exception_is_one_field() -> None:
    record = record_of("it broke", exc_info=failed(ValueError(HOSTILE)), stack_info="Stack:\n  here")
    entry = parsed(JsonFormatter().format(record))
    assert entry["exception"].startswith("Traceback (most recent call last):\n")
    assert HOSTILE in entry["exception"]
    assert entry["stack"] == "Stack:\n  here"


def test_an_exception_in_text_does_not_look_like_a_record() -> None:
    lines = TextFormatter().format(record_of("it broke", exc_info=failed(ValueError(HOSTILE)))).split("\n")
    assert lines[0] == "2026-11-23T12:00:00.250Z INFO pipelines.x: it broke"
    assert all(line.startswith("    | ") and line.isprintable() for line in lines[1:])
    assert len(lines) > 4


@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_a_hostile_title_does_not_break_the_line(formatter: logging.Formatter) -> None:
    record = record_of("title %s", HOSTILE, sweep_id=HOSTILE, run_id=HOSTILE)
    line = formatter.format(record)
    assert line.isprintable()
    assert len(line.splitlines()) == 1


def test_json_keeps_the_title() -> None:
    entry = parsed(JsonFormatter().format(record_of("%s", HOSTILE, run_id=HOSTILE)))
    assert (entry["message"], entry["run_id"]) == (HOSTILE, HOSTILE)


@given(st.text(st.characters(), max_size=60))
@example("half a pair: \ud83c")
def test_any_text_makes_one_line(text: str) -> None:
    entry = parsed(JsonFormatter().format(record_of("%s", text, run_id=text)))
    assert entry["message"] == text.encode("utf-8", "backslashreplace").decode()
    assert TextFormatter().format(record_of(text, run_id=text)).isprintable()


class _Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("not printable")


@pytest.mark.parametrize(
    "arguments", [("one",), ("one", _Unprintable()), (1, 2, 3)], ids=["too few", "not printable", "too many"]
)
@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_a_call_with_wrong_arguments_logs_its_template(
    logger: logging.Logger, as_json: bool, arguments: tuple[object, ...]
) -> None:
    stream = io.StringIO()
    configure(stream, as_json=as_json, level=logging.INFO)
    logger.info("%s and %s", *arguments)
    assert "%s and %s (its arguments do not fit)" in stream.getvalue()


def test_configure_replaces_its_own_handler(logger: logging.Logger) -> None:
    others = logging.NullHandler()
    logging.getLogger("pipelines").addHandler(others)
    first, second = io.StringIO(), io.StringIO()
    for _ in range(3):
        configure(first, as_json=False, level="DEBUG")
    logger.debug("one")
    configure(second, as_json=True, level="INFO")
    logger.debug("below the level")
    logger.info("two")
    assert len(first.getvalue().splitlines()) == 1
    assert [parsed(line)["message"] for line in second.getvalue().splitlines()] == ["two"]
    assert not first.closed
    assert others in logging.getLogger("pipelines").handlers


def test_the_time_is_that_of_the_record(logger: logging.Logger) -> None:
    stream = io.StringIO()
    configure(stream, as_json=True, level="INFO")
    before = datetime.now(UTC)
    logger.info("m")
    at = datetime.fromisoformat(parsed(stream.getvalue().rstrip("\n"))["time"])
    assert abs((at - before).total_seconds()) < 60
    assert at.utcoffset() == before.utcoffset()


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_no_secret_reaches_the_log(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, as_json: bool
) -> None:
    monkeypatch.setenv("MILESTONES_WEBHOOK_URL", f"https://hooks.example/services/{CANARY}")
    stream = io.StringIO()
    configure(stream, as_json=as_json, level="INFO")
    calls: list[Callable[[], None]] = [
        lambda: logger.info("key %s", CANARY),
        lambda: logger.info("with url: /services/%s", CANARY),
        lambda: logger.info("m", extra={"run_id": CANARY, "sweep_id": f"a {CANARY}"}),
        lambda: logger.error("m", exc_info=failed(ValueError(f"https://me:{CANARY}@host/?a={CANARY}"))),
        lambda: logger.info("m %s %s", CANARY),  # noqa: PLE1206  # the wrong call is the test
        lambda: logger.info("requested %s", "https://host/path?cursor=hunter2"),
    ]
    for call in calls:
        call()
    text = stream.getvalue()
    assert "***" in text
    assert CANARY not in text
    assert "hunter2" not in text
    # Handlers of the root logger run later and get the redacted record.
    assert caplog.messages[0] == "key ***"
    assert CANARY not in caplog.text


def test_the_log_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILESTONES_LOG", raising=False)
    assert log_format() == "text"
    for text, expected in (("", "text"), ("text", "text"), ("json", "json"), (" JSON\n", "json")):
        monkeypatch.setenv("MILESTONES_LOG", text)
        assert log_format() == expected


@pytest.mark.parametrize("text", ["yaml", "jsonl", "1", "\x1b[31m", "x" * 400], ids=lambda text: text[:5])
def test_an_unknown_format_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MILESTONES_LOG", text)
    with pytest.raises(WrongSetting) as caught:
        log_format()
    assert str(caught.value) == f"MILESTONES_LOG is {text[:40]!r}: give json or text"
    assert str(caught.value).isprintable()
