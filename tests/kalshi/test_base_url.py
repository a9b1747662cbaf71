"""Which addresses may be asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kalshi.base_url import DEFAULT_BASE_URL, check_base_url
from pipelines.kalshi.errors import BadBaseUrl


@pytest.mark.parametrize(
    ("given_url", "normal"),
    [
        pytest.param(DEFAULT_BASE_URL, DEFAULT_BASE_URL, id="default"),
        pytest.param("https://demo.example/v2///", "https://demo.example/v2", id="trailing-slashes"),
        pytest.param("HTTPS://Demo.Example:8443/V2", "https://demo.example:8443/V2", id="case-of-scheme-and-host"),
        pytest.param("https://demo.example", "https://demo.example", id="no-path"),
        pytest.param("http://127.0.0.1:8000/x/", "http://127.0.0.1:8000/x", id="http-loopback"),
        pytest.param("http://127.8.9.1", "http://127.8.9.1", id="http-loopback-net"),
        pytest.param("http://[::1]:80", "http://[::1]:80", id="http-loopback-v6"),
        pytest.param("http://LOCALHOST:1/", "http://localhost:1", id="http-localhost"),
    ],
)
def test_allowed(given_url: str, normal: str) -> None:
    assert check_base_url(given_url) == normal


@pytest.mark.parametrize(
    ("given_url", "why"),
    [
        pytest.param("http://api.elections.kalshi.com/v2", "plain http", id="http"),
        pytest.param("http://169.254.169.254/latest", "plain http", id="http-metadata"),
        pytest.param("https://169.254.169.254/latest", "link-local", id="https-metadata"),
        pytest.param("https://[fe80::1]/", "link-local", id="link-local-v6"),
        pytest.param("http://127.0.0.1.example.com/", "plain http", id="loopback-as-prefix"),
        pytest.param("http://localhost.example.com/", "plain http", id="localhost-as-prefix"),
        pytest.param("http://2130706433/", "plain http", id="loopback-as-number"),
        pytest.param("http://0.0.0.0/", "plain http", id="any-address"),
        pytest.param("file:///etc/passwd", "no host", id="file"),
        pytest.param("ftp://kalshi.com/", "only https", id="ftp"),
        pytest.param("api.elections.kalshi.com", "no host", id="no-scheme"),
        pytest.param("https://", "no host", id="no-host"),
        pytest.param("", "empty", id="empty"),
        pytest.param("https://user:hunter2@kalshi.com/", "credentials", id="credentials"),
        pytest.param("https://hunter2@kalshi.com/", "credentials", id="user"),
        pytest.param("https://kalshi.com/?key=hunter2", "query", id="query"),
        pytest.param("https://kalshi.com/v2?", "query", id="empty-query"),
        pytest.param("https://kalshi.com/#hunter2", "fragment", id="fragment"),
        pytest.param("https://kalshi.com/v2/../admin", "climbs", id="climbing-path"),
        pytest.param("https://kalshi.com:hunter2/", "not a URL", id="port-no-number"),
        pytest.param("https://kalshi.com:99999/", "not a URL", id="port-too-large"),
        pytest.param("https://[::1/", "not a URL", id="half-an-address"),
        pytest.param("https://kalshi.com/v2\n", "plain ASCII", id="newline"),
        pytest.param(" https://kalshi.com/v2", "plain ASCII", id="blank"),
        pytest.param("https://kalshi.com\\@evil.example/", "plain ASCII", id="backslash"),
        pytest.param("https://kаlshi.com/", "plain ASCII", id="look-alike"),
    ],
)
def test_refused(given_url: str, why: str) -> None:
    with pytest.raises(BadBaseUrl) as caught:
        check_base_url(given_url)
    assert why in str(caught.value)
    assert "KALSHI_BASE_URL" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "given_url",
    [
        "https://user:hunter2@kalshi.com/",
        "https://hunter2@kalshi.com@evil/",
        "hunter2@kalshi.com",
        "https://kalshi.com/?token=hunter2",
        "https://kalshi.com/#hunter2",
        "http://user:hunter2@\x1b[31mkalshi.com",
    ],
)
def test_secrets_are_not_shown(given_url: str) -> None:
    with pytest.raises(BadBaseUrl) as caught:
        check_base_url(given_url)
    assert "hunter2" not in str(caught.value) + repr(caught.value) + caught.value.url
    assert "\x1b" not in str(caught.value)


@given(st.text() | st.from_regex(r"https?://[^ ]{0,30}"))
def test_any_text_is_allowed_in_normal_form_or_refused(text: str) -> None:
    try:
        normal = check_base_url(text)
    except BadBaseUrl:
        return
    assert check_base_url(normal) == normal
    assert normal.startswith(("https://", "http://127.", "http://localhost", "http://[::1]"))
