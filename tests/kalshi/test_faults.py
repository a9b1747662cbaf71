"""From the exception of one attempt to a fault, and from the last fault to the error that the caller sees."""

from __future__ import annotations

import http.client
import socket
import ssl
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
import urllib3

from pipelines.kalshi import errors
from pipelines.kalshi.faults import Call, Fault, final_error, transport_fault
from pipelines.kalshi.response import read_page
from pipelines.kalshi.retry import FaultKind, Reason

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def call(attempt: int = 4) -> Call:
    return Call("https://api.example/v2", "/milestones", {"cursor": "hunter2"}, read_page, 60.0, attempt)


def error_of(fault: Fault, reason: Reason, **options: Any) -> errors.KalshiError:
    return final_error(call(), fault, reason, now=NOW, deadline_seconds=60.0, **options)


def test_the_url_of_a_call_has_no_query() -> None:
    assert call().url == "https://api.example/v2/milestones"


@pytest.mark.parametrize(
    ("error", "detail"),
    [
        (requests.ConnectionError(ConnectionResetError(104, "Connection reset by peer")), "Connection reset by peer"),
        (requests.ReadTimeout(TimeoutError("timed out")), "timed out"),
        (http.client.BadStatusLine("SSH-2.0"), "the response is not HTTP: SSH-2.0"),
        (requests.exceptions.ProxyError(socket.gaierror(-2, "unknown")), "the proxy: [Errno -2] unknown"),
        (urllib3.exceptions.ProtocolError("broken", http.client.IncompleteRead(b"abc")), "IncompleteRead"),
        (requests.ConnectionError(), "ConnectionError"),
        (requests.ConnectionError(ssl.SSLEOFError(8, "EOF in the handshake")), "EOF in the handshake"),
    ],
    ids=["reset", "timeout", "not HTTP", "proxy", "incomplete", "without a message", "cut handshake"],
)
def test_a_failed_connection_is_a_transport_fault(error: Exception, detail: str) -> None:
    fault = transport_fault(call(), error)
    assert (fault.kind, fault.cause, fault.status) == (FaultKind.TRANSPORT, error, None)
    assert detail in fault.detail


def test_a_tls_refusal_is_raised() -> None:
    refusal = requests.exceptions.SSLError(ssl.SSLCertVerificationError(1, "certificate has expired"))
    with pytest.raises(errors.TlsFailure, match="certificate has expired") as caught:
        transport_fault(call(), refusal)
    assert caught.value.__cause__ is refusal
    assert caught.value.attempts == 4


FAULTS = {
    FaultKind.TRANSPORT: Fault(FaultKind.TRANSPORT, "timed out"),
    FaultKind.SERVER: Fault(FaultKind.SERVER, "bad gateway", status=502),
    FaultKind.RATE_LIMIT: Fault(FaultKind.RATE_LIMIT, "slow down", status=429),
    FaultKind.NOT_JSON: Fault(FaultKind.NOT_JSON, "its body is not complete JSON", status=200, excerpt=b"<html>"),
}


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.TRANSPORT, errors.Unreachable),
        (FaultKind.SERVER, errors.ServerFault),
        (FaultKind.RATE_LIMIT, errors.RateLimited),
        (FaultKind.NOT_JSON, errors.NotTheApi),
    ],
    ids=lambda value: value.label if isinstance(value, FaultKind) else "",
)
def test_each_kind_of_fault_has_its_error(kind: FaultKind, error: type[errors.KalshiError]) -> None:
    fault = FAULTS[kind]
    found = error_of(fault, Reason.TRIES)
    assert type(found) is error
    assert (found.url, found.status, found.attempts) == ("https://api.example/v2/milestones", fault.status, 4)
    assert found.detail.startswith(fault.detail)
    assert Reason.TRIES.value not in found.detail, "the number of tries already says so"
    assert "hunter2" not in str(found)


@pytest.mark.parametrize("reason", [Reason.DEADLINE, Reason.RETRY_AFTER, Reason.BUDGET], ids=lambda one: one.name)
def test_any_other_reason_is_part_of_the_message(reason: Reason) -> None:
    assert error_of(FAULTS[FaultKind.SERVER], reason).detail == f"bad gateway ({reason.value})"


def test_a_transport_fault_at_the_deadline_says_how_long_it_was() -> None:
    error = error_of(FAULTS[FaultKind.TRANSPORT], Reason.DEADLINE)
    assert isinstance(error, errors.DeadlineExceeded)
    assert (error.deadline_seconds, error.detail) == (60.0, "timed out")


def test_the_excerpt_of_a_body_is_in_the_message() -> None:
    assert "the body starts with `<html>`" in str(error_of(FAULTS[FaultKind.NOT_JSON], Reason.TRIES))


def test_the_fallback_address_is_explained() -> None:
    error = error_of(FAULTS[FaultKind.TRANSPORT], Reason.TRIES, fallback_reason="a.example cannot be resolved")
    assert error.detail == "timed out; this fallback address is used because a.example cannot be resolved"


@pytest.mark.parametrize(
    ("seconds", "retry_at"),
    [
        (None, None),
        (7.0, datetime(2026, 11, 23, 12, 0, 8, tzinfo=UTC)),
        (7.2, datetime(2026, 11, 23, 12, 0, 9, tzinfo=UTC)),
    ],
    ids=["not given", "whole seconds", "a fraction is rounded up"],
)
def test_when_to_retry_is_rounded_up(seconds: float | None, retry_at: datetime | None) -> None:
    error = error_of(Fault(FaultKind.RATE_LIMIT, "", status=429, retry_after_seconds=seconds), Reason.RETRY_AFTER)
    assert isinstance(error, errors.RateLimited)
    assert (error.retry_after_seconds, error.retry_at) == (seconds, retry_at)


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        ("407 no, not s3cret", "407 Proxy Authentication Required"),
        ("599 s3cret", "599"),
        ("403 ", "403 Forbidden"),
    ],
    ids=["known", "unknown", "empty"],
)
def test_the_words_of_a_proxy_that_refuses_are_dropped(reason: str, shown: str) -> None:
    fault = transport_fault(call(), requests.exceptions.ProxyError(OSError(f"Tunnel connection failed: {reason}")))
    assert (fault.detail, fault.cause) == (f"the proxy: Tunnel connection failed: {shown}", None)
