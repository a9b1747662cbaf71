"""Which addresses may be asked."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

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
        pytest.param("https://127.0.0.1:443/x", "https://127.0.0.1:443/x", id="https-loopback"),
        pytest.param("http://[0:0:0::1]:80", "http://[::1]:80", id="loopback-v6-spelled-out"),
        pytest.param("https://demo.example:/v2", "https://demo.example/v2", id="empty-port"),
        pytest.param("https://8.8.8.8/v2", "https://8.8.8.8/v2", id="public-address"),
        pytest.param("https://[2606:4700:0::1111]/v2", "https://[2606:4700::1111]/v2", id="public-address-v6"),
        pytest.param("https://a-b_c.xn--80ak6aa92e.ex", "https://a-b_c.xn--80ak6aa92e.ex", id="odd-but-a-name"),
        pytest.param("https://10.example.com", "https://10.example.com", id="a-name-with-a-number"),
        pytest.param("https://0xbeef.example", "https://0xbeef.example", id="a-name-with-hex"),
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
        pytest.param("http://2130706433/", "usual spelling", id="loopback-as-number"),
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
        pytest.param("https://kalshi.com/v2/../admin", "contains `.` or `..`", id="parent-path"),
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


METADATA_AND_LOOPBACK = {
    "decimal": "2852039166",
    "hex": "0xA9FEA9FE",
    "hex-of-nothing": "0x",
    "hex-at-the-end": "169.254.169.0xfe",
    "octal": "0251.0376.0251.0376",
    "one-octal": "169.254.169.0376",
    "padded": "0169.0254.0169.0254",
    "shortened": "127.1",
    "three-parts": "127.0.1",
    "five-parts": "1.169.254.169.254",
    "zero": "0",
    "too-large": "256.1.1.1",
    "trailing-dot": "169.254.169.254.",
    "loopback-trailing-dot": "127.0.0.1.",
    "localhost-trailing-dot": "localhost.",
    "name-trailing-dot": "kalshi.com.",
    "two-dots": "kalshi..com",
    "percent-encoded": "169.254.169%2E254",
    "mapped": "[::ffff:169.254.169.254]",
    "mapped-in-hex": "[::ffff:a9fe:a9fe]",
    "mapped-loopback": "[::ffff:127.0.0.1]",
    "nat64": "[64:ff9b::169.254.169.254]",
    "nat64-in-hex": "[64:ff9b::a9fe:a9fe]",
    "nat64-local": "[64:ff9b:1::a9fe:a9fe]",
    "6to4": "[2002:a9fe:a9fe::1]",
    "teredo": "[2001:0:a9fe:a9fe::1]",
    "zone": "[fe80::1%25eth0]",
    "zone-of-loopback": "[::1%lo]",
    "v4-in-brackets-short": "[127.1]",
    "future": "[v1.x]",
    "empty-brackets": "[]",
    "more-behind-brackets": "[::1]evil.example",
    "long-label": "a" * 64 + ".example",
    "long-name": ".".join(["a" * 60] * 5),
    "hyphen-first": "-a.example",
}


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("host", METADATA_AND_LOOPBACK.values(), ids=METADATA_AND_LOOPBACK)
def test_odd_spellings_are_refused_outright(scheme: str, host: str) -> None:
    with pytest.raises(BadBaseUrl) as caught:
        check_base_url(f"{scheme}://{host}/v2")
    assert "usual spelling" in str(caught.value) or "not a URL" in str(caught.value)


NOT_PUBLIC = {
    "0.0.0.0": "private or reserved",  # noqa: S104 - refused, not bound
    "0.1.2.3": "private or reserved",
    "[::]": "private or reserved",
    "10.1.2.3": "private or reserved",
    "172.16.0.1": "private or reserved",
    "172.31.255.255": "private or reserved",
    "192.168.1.1": "private or reserved",
    "100.64.0.1": "private or reserved",
    "198.18.0.1": "private or reserved",
    "224.0.0.1": "private or reserved",
    "240.0.0.1": "private or reserved",
    "255.255.255.255": "private or reserved",
    "[fc00::1]": "private or reserved",
    "[fd00:ec2::254]": "private or reserved",
    "[ff02::1]": "private or reserved",
    "[::169.254.169.254]": "private or reserved",
    "[2001:db8::1]": "private or reserved",
    "[100::1]": "private or reserved",
    "169.254.169.254": "link-local",
    "169.254.170.2": "link-local",
    "[fe80::a9fe:a9fe]": "link-local",
}


@pytest.mark.parametrize(("host", "why"), NOT_PUBLIC.items(), ids=NOT_PUBLIC)
def test_addresses_that_are_not_public_are_refused(host: str, why: str) -> None:
    with pytest.raises(BadBaseUrl, match=why):
        check_base_url(f"https://{host}/v2")
    with pytest.raises(BadBaseUrl, match="plain http"):
        check_base_url(f"http://{host}/v2")


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


@given(st.ip_addresses())
def test_any_address_that_is_allowed_is_loopback_or_public(address: IPv4Address | IPv6Address) -> None:
    host = f"[{address}]" if address.version == 6 else str(address)
    try:
        check_base_url(f"https://{host}")
    except BadBaseUrl:
        return
    assert address.is_loopback or (address.is_global and not address.is_private and not address.is_link_local)
