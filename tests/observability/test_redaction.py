"""Redaction: every form of a secret disappears, other words stay."""

from __future__ import annotations

import base64
import hashlib

import pytest

from pipelines.observability.redaction import redact

CANARY = "canary-5f2c9e-secret"
PATH = f"/services/T000/B000/{CANARY}?key=query-{CANARY}"


@pytest.mark.parametrize(
    "variable",
    ["KALSHI_SECRET", "api_token", "PGPASSWORD", "KALSHI_API_KEY_ID", "MILESTONES_WEBHOOK_URL"],
)
def test_values_of_secret_variables_are_hidden(variable: str) -> None:
    assert redact(f"<{CANARY}|{CANARY}>", environment={variable: CANARY}) == "<***|***>"
    assert redact(CANARY, environment={variable: f" {CANARY}\n"}) == "***"


def test_other_variables_and_short_values_are_not_hidden() -> None:
    environment = {"HOME": "/home/user", "MILESTONES_KEEP_SWEEPS": "200000", "KEYBOARD": "us", "A_TOKEN": ""}
    text = "200000 users in /home/user, plus us"
    assert redact(text, environment=environment) == text


def test_the_path_of_a_secret_file_is_shown() -> None:
    environment = {"KALSHI_PRIVATE_KEY_FILE": "/etc/milestones/kalshi.pem"}
    assert redact("cannot read /etc/milestones/kalshi.pem", environment=environment).endswith("kalshi.pem")


def test_a_signature_is_hidden_and_a_checksum_is_not() -> None:
    signature, checksum = base64.b64encode(bytes(range(256)) * 2).decode(), hashlib.sha512(b"").hexdigest()
    assert redact(f"header {signature}, sum {checksum}", environment={}) == f"header ***, sum {checksum}"


def test_every_form_of_a_secret_is_hidden() -> None:
    pem = "-----BEGIN KEY-----\nMIIEvQIBADANBg/+\nabcdef0123456789==\n-----END KEY-----\n"
    environment = {"PRIVATE_KEY": pem, "DB_PASSWORD": "p@ss w/rd", "LONGER_PASSWORD": "p@ss w/rd and more"}
    assert redact(f"key {pem!r}", environment=environment).count("MII") == 0
    assert redact("line abcdef0123456789==", environment=environment) == "line ***"
    assert redact("p%40ss%20w%2Frd, p@ss w/rd and more, p@ss w/rd", environment=environment) == "***, ***, ***"


def test_the_path_of_a_webhook_is_hidden_without_its_host() -> None:
    environment = {"MILESTONES_WEBHOOK_URL": f"https://hooks.example{PATH}"}
    for text in (f"Max retries exceeded with url: {PATH} (x)", f"B000/{CANARY}", f"post {CANARY} key=query-{CANARY}"):
        assert CANARY not in redact(text, environment=environment)
    assert redact("hooks.example refused services", environment=environment) == "hooks.example refused services"


@pytest.mark.parametrize("name", ["KALSHI_PROXY", "HTTPS_PROXY", "DATABASE"])
@pytest.mark.parametrize(
    "text",
    [
        "me:hunter2%2Fhunter3",
        "the password hunter2%2Fhunter3 is wrong",
        "the password hunter2/hunter3 is wrong",
        "Proxy-Authorization: Basic bWU6aHVudGVyMi9odW50ZXIz",
        "http://me:hunter2%2Fhunter3@proxy.example:3128 does not respond",
    ],
)
def test_the_password_in_a_url_is_hidden_for_any_variable_name(name: str, text: str) -> None:
    shown = redact(text, environment={name: "http://me:hunter2%2Fhunter3@proxy.example:3128"})
    assert "hunter" not in shown
    assert "bWU6" not in shown


def test_a_token_as_user_name_in_a_url_is_hidden() -> None:
    environment = {"KALSHI_PROXY": "http://a1b2c3d4e5f6a7b8@proxy.example", "REMOTE": "ssh://milestones@host.example"}
    assert redact("milestones uses a1b2c3d4e5f6a7b8", environment=environment) == "milestones uses ***"


@pytest.mark.parametrize("value", ["\udcff\udcfe" * 9, "http://[::1/" + "x" * 20, "\x00" * 9, "https://"])
def test_invalid_values_of_secret_variables_are_ignored(value: str) -> None:
    assert redact("a line", environment={"A_SECRET": value}) == "a line"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:hunter2@host/path now", "at https://***@host/path now"),
        ("https://hunter2@host", "https://***@host"),
        ("postgres://me:hun/ter2@@host:5432/db", "postgres://***@host:5432/db"),
        ("https://me:hun?ter2@host/", "https://***@host/"),
        ("me:hunter2@host", "***@host"),
        ("proxy=me:hun/ter2@host:80", "***@host:80"),
        ("GET https://host/path?key=hunter2&x=1 failed", "GET https://host/path?*** failed"),
        ("https://host/#token=hunter2", "https://host/?***"),
        ('"https://host/?hunter2"', '"https://host/?***"'),
        ("with url: /path?token=hunter2 (x)", "with url: /path?*** (x)"),
        ("https://a/?b=hunter2 https://c:hunter2@d", "https://a/?*** https://***@d"),
        ("https://host/path, really? yes: 12:30", "https://host/path, really? yes: 12:30"),
        ("mail a@b.example at 12:30", "mail a@b.example at 12:30"),
        ("", ""),
    ],
)
def test_credentials_and_queries_are_hidden(text: str, shown: str) -> None:
    assert redact(text, environment={}) == shown
    assert redact(shown, environment={}) == shown


@pytest.mark.parametrize("piece", ["://", "a:", "?a", "a@", "://a@", ":@?=#", "a"])
def test_hostile_texts_take_linear_time(piece: str) -> None:
    redact(piece * 20_000 + "@?", environment={})
