"""Alerts: delivered to a receiver on loopback, escaped, and without secrets in any message or error."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import traceback
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.errors import MilestonesError, WrongSetting
from pipelines.kalshi.transport import build_session
from pipelines.observability.alerts import (
    TEXT_CHARACTERS,
    AlertNotDelivered,
    Webhook,
    check_failed_text,
    message_text,
    run_failed_text,
)
from pipelines.settings import Settings
from tests.kalshi.proxy import Proxy

CANARY = "canary-5f2c9e-secret"
PATH = f"/services/T000/B000/{CANARY}?key=query-{CANARY}"


class Receiver(ThreadingHTTPServer):
    """Receives posts on loopback and responds with the given statuses; the last one repeats."""

    daemon_threads = True

    def __init__(self, statuses: Sequence[int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = list(statuses)
        self.posts: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://{self.host}{PATH}"

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def texts(self) -> list[str]:
        return [json.loads(body)["text"] for _, _, body in self.posts]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.posts.append((self.path, headers, self.rfile.read(int(headers["content-length"]))))
        statuses = self.server.statuses
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        self.send_response(status)
        self.send_header("Location", f"http://{self.server.host}/elsewhere")
        body = f"you sent {CANARY}".encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815 - the library's name

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's signature
        """Log nothing."""


@contextlib.contextmanager
def receiving(*statuses: int) -> Iterator[Receiver]:
    with Receiver(statuses) as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield receiver
        finally:
            receiver.shutdown()
            thread.join()


def webhook(url: str, **options: Any) -> Webhook:
    return Webhook(url, timeout_seconds=5, sleep=lambda _: None, **options)


def full_text(error: BaseException) -> str:
    """The error with its causes and contexts, as logs, consoles and Dagster show it."""
    linked: list[BaseException] = [error]
    for current in linked:
        linked += [inner for inner in (current.__cause__, current.__context__) if inner is not None]
    return "\n".join([*traceback.format_exception(error), *map(repr, linked), *map(str, linked)])


def test_a_text_is_delivered() -> None:
    with receiving(200) as receiver:
        webhook(receiver.url).post("Run failed: milestones")
        ((path, headers, body),) = receiver.posts
    assert path == PATH
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {"text": "Run failed: milestones"}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_any_2xx_is_success(status: int) -> None:
    with receiving(status) as receiver:
        webhook(receiver.url).post("x")
        assert len(receiver.posts) == 1


@pytest.mark.parametrize("status", [500, 503, 429])
def test_temporary_failures_are_retried_once(status: int) -> None:
    pauses: list[float] = []
    with receiving(status, 200) as receiver:
        Webhook(receiver.url, sleep=pauses.append).post("x")
        assert receiver.texts == ["x", "x"]
    assert pauses == [1.0]


@pytest.mark.parametrize(
    ("status", "attempts", "detail"),
    [
        (500, 2, "HTTP 500, 2 attempts"),
        (429, 2, "HTTP 429, 2 attempts"),
        (404, 1, "HTTP 404"),
        (403, 1, "HTTP 403"),
        (302, 1, "HTTP 302, and redirects are not followed"),
        (307, 1, "HTTP 307, and redirects are not followed"),
    ],
)
def test_a_rejected_post_raises(status: int, attempts: int, detail: str) -> None:
    with receiving(status) as receiver:
        with pytest.raises(AlertNotDelivered) as caught:
            webhook(receiver.url).post(f"about {CANARY}")
        assert [path for path, _, _ in receiver.posts] == [PATH] * attempts
        expected = f"the alert was not delivered to {receiver.host} ({detail}): check MILESTONES_WEBHOOK_URL"
    assert str(caught.value) == expected
    assert isinstance(caught.value, MilestonesError)
    assert CANARY not in full_text(caught.value)


def test_a_closed_port_raises() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(AlertNotDelivered, match=rf"127\.0\.0\.1:{port} \(Connection refused, 2 attempts\)") as caught:
        webhook(f"http://127.0.0.1:{port}{PATH}").post("x")
    text = full_text(caught.value)
    assert CANARY not in text
    assert "/services" not in text


def test_a_silent_receiver_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}{PATH}"
        with pytest.raises(AlertNotDelivered, match=r"TimeoutError, 2 attempts") as caught:
            Webhook(url, timeout_seconds=0.1, sleep=lambda _: None).post("x")
    assert CANARY not in full_text(caught.value)


def test_an_invalid_host_name_is_refused() -> None:
    with pytest.raises(WrongSetting) as caught:
        webhook(f"https://{'a' * 70}.invalid{PATH}")
    assert CANARY not in full_text(caught.value)


def test_proxy_variables_of_other_tools_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving(200) as receiver, receiving(200) as proxy:
        for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://{proxy.host}")
        monkeypatch.setenv("NO_PROXY", "")
        monkeypatch.delenv("no_proxy", raising=False)
        webhook(receiver.url).post("x")
        assert (len(receiver.posts), len(proxy.posts)) == (1, 0)


def test_the_callers_session_stays_open() -> None:
    with receiving(200) as receiver, build_session() as session:
        hook = webhook(receiver.url, session=session)
        hook.post("one")
        hook.post("two")
        assert receiver.texts == ["one", "two"]


def test_redirects_are_not_followed_with_the_callers_session() -> None:
    with receiving(307) as receiver, requests.Session() as session:
        with pytest.raises(AlertNotDelivered, match="HTTP 307"):
            webhook(receiver.url, session=session).post("x")
        assert [path for path, _, _ in receiver.posts] == [PATH]


def test_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("", " \n"):
        monkeypatch.setenv("MILESTONES_WEBHOOK_URL", text)
        assert Webhook.from_environment() is None
    monkeypatch.delenv("MILESTONES_WEBHOOK_URL")
    assert Webhook.from_environment() is None
    monkeypatch.setenv("MILESTONES_WEBHOOK_URL", f"https://hooks.slack.com{PATH}\n")
    hook = Webhook.from_environment()
    assert hook is not None
    assert hook.host == "hooks.slack.com"
    assert repr(hook) == "Webhook('hooks.slack.com')"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"http://hooks.slack.com/{CANARY}", "plain http"),
        (f"https://[::ffff:169.254.169.254]/{CANARY}", "usual spelling"),
        (f"https://2852039166/{CANARY}", "usual spelling"),
        (f"https://10.0.0.5/hooks/{CANARY}", "private or reserved"),
        (f"http://169.254.169.254/{CANARY}", "plain http"),
        (f"https://169.254.169.254/{CANARY}", "link-local"),
        (f"http://127.0.0.1.example.com/{CANARY}", "plain http"),
        (f"ftp://hooks.slack.com/{CANARY}", "only https"),
        (f"file:///{CANARY}", "no host"),
        (CANARY, "no host"),
        (f"https://me:{CANARY}@hooks.slack.com/", "credentials"),
        (f"https://hooks.slack.com/#{CANARY}", "fragment"),
        (f"https://hooks.slack.com/?a=1#{CANARY}", "fragment"),
        (f"https://hooks.slack.com/?a={CANARY}\r\nHost: x", "plain ASCII"),
        (f"https://hooks.slack.com/{CANARY}\x1b[31m", "plain ASCII"),
        (f"https://hooks.slack.com:{CANARY}/", "not a URL"),
    ],
)
def test_an_invalid_url_is_refused(monkeypatch: pytest.MonkeyPatch, url: str, reason: str) -> None:
    monkeypatch.setenv("MILESTONES_WEBHOOK_URL", url)
    with pytest.raises(WrongSetting, match=reason) as caught:
        Webhook.from_environment()
    assert str(caught.value).startswith("MILESTONES_WEBHOOK_URL cannot be used (")
    assert CANARY not in full_text(caught.value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a < b && c > d", "a &lt; b &amp;&amp; c &gt; d"),
        ("<!channel> <!here|here> <@U123> <https://evil.example|click>", None),
        ("@channel @Here @everyone @all", "@\u200bchannel @\u200bHere @\u200beveryone @\u200ball"),
        ("mail to a.hereward@hereford.example", "mail to a.hereward@hereford.example"),
        ("a\x00b\x1b[31mc\x7f\x9b\r", r"a\x00b\x1b[31mc\x7f\x9b\r"),
        ("abc\u202edef\u2066\u2028", r"abc\u202edef\u2066\u2028"),
        ("one\r\ntwo\nthree", "one\ntwo\nthree"),
        ("東京 🏀", "東京 🏀"),
        ("", ""),
    ],
    ids=["entities", "brackets", "mentions", "not a mention", "controls", "bidi marks", "lines", "not ASCII", "empty"],
)
def test_texts_are_escaped(text: str, shown: str | None) -> None:
    made = message_text(text)
    assert "<" not in made
    assert shown is None or made == shown


@given(st.text(st.characters(), max_size=400))
@example("half a pair: \ud83c")
def test_any_text_makes_a_valid_message(text: str) -> None:
    made = message_text(text, characters=100)
    assert len(made) <= 100
    assert not set(made) & {"<", ">"}
    assert made.replace("\n", "").replace("\u200b", "").isprintable()
    json.dumps({"text": made}).encode("ascii")


@pytest.mark.parametrize("character", ["a", "&", "\x1b", "é"], ids=["plain", "entity", "control", "not ASCII"])
def test_texts_are_truncated(character: str) -> None:
    made = message_text(character * 100_000)
    assert TEXT_CHARACTERS - 10 < len(made) <= TEXT_CHARACTERS
    assert made.endswith("...")
    # No entity is truncated.
    assert set(made.removesuffix("...").split(";")) <= {"", "&amp"} or "&" not in made


def test_a_text_of_the_maximum_length_is_not_truncated() -> None:
    assert message_text("a" * TEXT_CHARACTERS) == "a" * TEXT_CHARACTERS


def test_the_texts_of_alerts() -> None:
    assert run_failed_text("ingest", "1f0c", "HTTP 503\n  at the API") == (
        "Run failed: ingest (run 1f0c): HTTP 503 at the API"
    )
    assert check_failed_text("milestones", "ids_are_unique", "ERROR", "3 rows") == (
        "Check failed (ERROR): ids_are_unique of milestones: 3 rows"
    )


def test_the_texts_of_alerts_are_one_short_line() -> None:
    hostile = "a\nRun failed: b\x1b[2J\u202e" * 1000
    for text in (run_failed_text(hostile, hostile, hostile), check_failed_text(*[hostile] * 4)):
        assert text.isprintable()
        assert len(text) < TEXT_CHARACTERS


def test_a_canary_reaches_neither_the_receiver_nor_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALSHI_PRIVATE_KEY", CANARY)
    # Also at the maximum length, where truncation could leave a part of the secret.
    for error in (f"refused: {CANARY}", "x" * (TEXT_CHARACTERS - 8) + CANARY, "y" * 1_990 + CANARY):
        with receiving(200) as receiver:
            webhook(receiver.url).post(run_failed_text(CANARY, CANARY, error))
            webhook(receiver.url).post(check_failed_text(CANARY, CANARY, CANARY, error))
            webhook(receiver.url).post(error)
            assert len(receiver.texts) == 3
            assert not [text for text in receiver.texts if CANARY[:6] in text]


def test_a_webhook_uses_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(0, refusal=b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n") as proxy:
        monkeypatch.setenv("MILESTONES_WEBHOOK_URL", f"https://hooks.example.invalid{PATH}")
        monkeypatch.setenv("KALSHI_PROXY", f"http://me:{CANARY}@127.0.0.1:{proxy.port}")
        assert Webhook.from_environment() is not None
        found = Webhook(
            f"https://hooks.example.invalid{PATH}", network=Settings.from_environment().network(), sleep=lambda _: None
        )
        with pytest.raises(AlertNotDelivered) as caught:
            found.post("x")
    assert [head.split(" ")[:2] for head in proxy.heads] == [["CONNECT", "hooks.example.invalid:443"]] * 2
    assert CANARY not in full_text(caught.value)


def test_a_webhook_with_an_invalid_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILESTONES_WEBHOOK_URL", f"https://hooks.example.invalid{PATH}")
    monkeypatch.setenv("KALSHI_PROXY", f"ftp://me:{CANARY}@proxy.example")
    with pytest.raises(WrongSetting, match="KALSHI_PROXY cannot be used") as caught:
        Webhook.from_environment()
    assert CANARY not in full_text(caught.value)


def test_another_setting_that_is_wrong_does_not_silence_alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MILESTONES_WEBHOOK_URL", f"https://hooks.example.invalid{PATH}")
    monkeypatch.setenv("MILESTONES_KEEP_RUNS", "none")
    with pytest.raises(WrongSetting):
        Settings.from_environment()
    found = Webhook.from_environment()
    assert found is not None
    assert found.host == "hooks.example.invalid"
