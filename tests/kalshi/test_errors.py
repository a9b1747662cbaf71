"""Each error carries its data and formats itself as one line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.kalshi import errors

URL = "https://api.example/v2/milestones"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            errors.BadBaseUrl("ftp://x", detail="only https is allowed"),
            (
                "cannot use the base URL ftp://x: only https is allowed; set KALSHI_BASE_URL to the https address of "
                "the API, or leave it unset"
            ),
        ),
        (
            errors.Unreachable(URL, detail="Connection refused", attempts=8),
            (
                "no complete response from api.example (8 tries): Connection refused; check the network and "
                "KALSHI_BASE_URL, then run again; if this network requires a proxy, set KALSHI_PROXY, and "
                "KALSHI_CA_BUNDLE if the proxy intercepts TLS"
            ),
        ),
        (
            errors.TlsFailure(URL, detail="certificate has expired"),
            (
                "no trusted TLS connection to api.example: certificate has expired; check the host in KALSHI_BASE_URL "
                "and this machine's clock; if a proxy (KALSHI_PROXY) or a firewall intercepts TLS, set "
                "KALSHI_CA_BUNDLE to its CA certificate"
            ),
        ),
        (
            errors.DeadlineExceeded(URL, deadline_seconds=60.0, detail="timed out", attempts=4),
            (
                f"no complete response from {URL} within 60 s (4 tries): timed out; try again later, raise "
                "KALSHI_DEADLINE_SECONDS, or set KALSHI_PROXY if this network requires a proxy"
            ),
        ),
        (
            errors.TooLarge(URL, max_bytes=67_108_864),
            (
                f"the response of {URL} is larger than 67,108,864 bytes; lower KALSHI_PAGE_LIMIT so that a page holds "
                "fewer milestones"
            ),
        ),
        (
            errors.NotTheApi(URL, detail="its body is not complete JSON", excerpt=b"<html>\n", status=200, attempts=3),
            (
                f"{URL} did not answer like the API (HTTP 200, 3 tries): its body is not complete JSON; the body "
                r"starts with `<html>\n`; check KALSHI_BASE_URL; a firewall, a proxy or a maintenance page "
                "may answer in its place"
            ),
        ),
        (
            errors.BadRequest(URL, detail="bad limit", status=400),
            f"the API refused the request at {URL} (HTTP 400): bad limit; correct the parameter it names",
        ),
        (
            errors.InvalidCursor(URL, detail="invalid cursor", status=400),
            (
                f"the API no longer accepts the cursor at {URL} (HTTP 400): invalid cursor; start the sweep again from "
                "its first page"
            ),
        ),
        (
            errors.AccessDenied(URL, status=403),
            (
                f"access denied at {URL} (HTTP 403); milestones need no credentials and none were sent: check "
                "KALSHI_BASE_URL, and whether a firewall or a region block refuses the request"
            ),
        ),
        (
            errors.SignatureRefused(URL, detail="expired", status=401),
            (
                f"access denied to a signed request at {URL} (HTTP 401): expired; check that KALSHI_API_KEY_ID and "
                "KALSHI_PRIVATE_KEY_FILE belong together and to the API of KALSHI_BASE_URL, and that this machine's "
                "clock is right (milestones doctor compares it); without both settings, requests are not signed, and "
                "milestones need no signature"
            ),
        ),
        (
            errors.NotFound(URL, detail="not_found: not found", status=404),
            (
                f"nothing found at {URL} (HTTP 404): not_found: not found; check the milestone id; for a list, check "
                "the path of KALSHI_BASE_URL"
            ),
        ),
        (
            errors.RateLimited(URL, detail="too many requests", status=429, attempts=9),
            (
                f"too many requests at {URL} (HTTP 429, 9 tries): too many requests; lower KALSHI_REQUESTS_PER_SECOND, "
                "or check which other programs use this IP address"
            ),
        ),
        (
            errors.RateLimited(
                URL,
                status=429,
                retry_after_seconds=86_400.0,
                retry_at=datetime(2026, 11, 24, 12, 0, 1, tzinfo=UTC),
            ),
            f"too many requests at {URL} (HTTP 429); run again after 2026-11-24T12:00:01Z (in 86,400 s)",
        ),
        (
            errors.ServerFault(URL, detail="bad gateway", status=502, attempts=8),
            (
                f"the API is failing at {URL} (HTTP 502, 8 tries): bad gateway; try again later; the stored data are "
                "untouched"
            ),
        ),
        (
            errors.Redirected(URL, status=301, target="https://evil.example"),
            (
                f"{URL} redirects to https://evil.example (HTTP 301); redirects are not followed: if that host is "
                "right, set KALSHI_BASE_URL to it"
            ),
        ),
        (
            errors.FilterIgnored(
                "/milestones", name="category", wanted="Sports", found="the category Politics", milestone_id="some-id"
            ),
            (
                "the API ignored the filter category=Sports at /milestones: it returned some-id, which "
                "has the category Politics; nothing of this response was stored; try again later, or sweep without "
                "this filter"
            ),
        ),
        (
            errors.PagingFault("cursor came before", page=12, detail="a circle", cursor="abc"),
            (
                "paging stopped after page 12 with the cursor `abc`: a circle; start the sweep again from its first "
                "page; if it stops here again, the fault is the API's"
            ),
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, errors.KalshiError) else "",
)
def test_message(error: errors.KalshiError, message: str) -> None:
    assert str(error) == message


def test_every_error_type_has_a_message_above() -> None:
    def below(kind: type[errors.KalshiError]) -> set[type[errors.KalshiError]]:
        return {kind}.union(*(below(one) for one in kind.__subclasses__()))

    (mark,) = [one for one in test_message.pytestmark if one.name == "parametrize"]  # type: ignore[attr-defined]
    worded = {type(error) for error, _ in mark.args[1]}
    public = {kind for kind in below(errors.KalshiError) if not kind.__name__.startswith("_")}
    assert public - {errors.KalshiError} == worded


def test_messages_have_no_control_characters() -> None:
    error = errors.BadRequest("https://x/\x1b[2J", detail="a\nb\x00\u202e")
    assert str(error).isprintable()
    redirected = errors.Redirected(URL, status=302, target="https://x\r\n\x1b[31m" + "y" * 1000)
    assert str(redirected).isprintable()
    assert len(str(redirected)) < 500


def test_host_includes_the_port() -> None:
    assert errors.Unreachable("http://127.0.0.1:81/v2").host == "127.0.0.1:81"
