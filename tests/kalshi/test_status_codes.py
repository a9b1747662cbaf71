"""Which statuses are retried, and which error a refused request becomes. Redirect targets: test_transport."""

from __future__ import annotations

import pytest

from pipelines.kalshi.errors import AccessDenied, BadRequest, InvalidCursor, KalshiError, NotFound, SignatureRefused
from pipelines.kalshi.status_codes import error_of_status, is_worth_retrying, redirect_target

URL = "https://api.example/v2/milestones"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 599])
def test_transient_statuses_are_retried(status: int) -> None:
    assert is_worth_retrying(status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 414, 422, 426, 428, 431, 499])
def test_refusals_are_not_retried(status: int) -> None:
    assert not is_worth_retrying(status)


@pytest.mark.parametrize(
    ("status", "without_cursor", "with_cursor"),
    [
        (400, BadRequest, InvalidCursor),
        (401, AccessDenied, AccessDenied),
        (403, AccessDenied, AccessDenied),
        (404, NotFound, InvalidCursor),
        (405, BadRequest, BadRequest),
        (409, BadRequest, InvalidCursor),
        (410, BadRequest, InvalidCursor),
        (414, BadRequest, BadRequest),
        (422, BadRequest, InvalidCursor),
    ],
    ids=str,
)
def test_the_error_of_a_refusal(status: int, without_cursor: type[KalshiError], with_cursor: type[KalshiError]) -> None:
    for has_cursor, kind in ((False, without_cursor), (True, with_cursor)):
        error = error_of_status(URL, status=status, detail="no", has_cursor=has_cursor, attempts=3)
        assert type(error) is kind
        assert (error.url, error.status, error.detail, error.attempts) == (URL, status, "no", 3)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://other.example/x?token=hunter2#y", "https://other.example"),
        ("https://user:hunter2@other.example:8443/x", "https://other.example:8443"),
        ("//other.example/x", "//other.example"),
        ("/v2/milestones/", "/v2/milestones/"),
        ("/login?token=hunter2", "/login"),
        ("", ""),
        ("https://[::1/", "an unreadable address"),
    ],
    ids=["query and fragment", "credentials", "no scheme", "path", "path and query", "empty", "broken"],
)
def test_a_redirect_target_names_scheme_and_host_without_secrets(location: str, target: str) -> None:
    assert redirect_target(location) == target


def test_a_refused_signature_names_the_settings_and_the_clock() -> None:
    for status in (401, 403):
        error = error_of_status(URL, status=status, detail="no", has_cursor=True, attempts=1, is_signed=True)
        assert type(error) is SignatureRefused
        for words in ("KALSHI_API_KEY_ID", "KALSHI_PRIVATE_KEY_FILE", "clock is right"):
            assert words in str(error)
