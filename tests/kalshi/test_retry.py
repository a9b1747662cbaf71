"""The retry policy: waits, limits, Retry-After and the budget."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.kalshi.retry import (
    BACKOFF_CAP_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    FaultKind,
    GiveUp,
    Reason,
    RetryBudget,
    Wait,
    backoff_seconds,
    decide,
    parse_retry_after,
)

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
JITTER = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("kind", "attempt", "remaining", "retry_after", "jitter", "verdict"),
    [
        pytest.param(FaultKind.TRANSPORT, 1, 60, None, 0.5, Wait(0.25), id="first"),
        pytest.param(FaultKind.TRANSPORT, 4, 60, None, 0.5, Wait(2.0), id="doubles"),
        pytest.param(FaultKind.TRANSPORT, 7, 60, None, 0.5, Wait(8.0), id="capped"),
        pytest.param(FaultKind.TRANSPORT, 8, 60, None, 0.5, GiveUp(Reason.TRIES), id="tries-used"),
        pytest.param(FaultKind.SERVER, 8, 60, None, 0.5, GiveUp(Reason.TRIES), id="server-tries-used"),
        pytest.param(FaultKind.NOT_JSON, 3, 60, None, 0.5, GiveUp(Reason.TRIES), id="not-json-tries-used"),
        pytest.param(FaultKind.TRANSPORT, 4, 2, None, 0.5, GiveUp(Reason.DEADLINE), id="backoff-past-deadline"),
        pytest.param(FaultKind.TRANSPORT, 1, 0, None, 0.0, GiveUp(Reason.DEADLINE), id="no-time-left"),
        pytest.param(FaultKind.RATE_LIMIT, 1, 60, 7.0, 0.5, Wait(7.0), id="retry-after"),
        pytest.param(FaultKind.RATE_LIMIT, 6, 60, 1.0, 0.5, Wait(8.0), id="retry-after-below-backoff"),
        pytest.param(FaultKind.RATE_LIMIT, 19, 60, 0.0, 0.5, Wait(8.0), id="many-tries-for-429"),
        pytest.param(FaultKind.RATE_LIMIT, 1, 60, 60.0, 0.5, GiveUp(Reason.RETRY_AFTER), id="retry-after-too-long"),
        pytest.param(FaultKind.SERVER, 1, 60, 86_400.0, 0.5, GiveUp(Reason.RETRY_AFTER), id="503-too-long"),
    ],
)
def test_decide(
    kind: FaultKind, attempt: int, remaining: float, retry_after: float | None, jitter: float, verdict: Wait | GiveUp
) -> None:
    assert (
        decide(kind, attempt=attempt, remaining_seconds=remaining, retry_after_seconds=retry_after, jitter=jitter)
        == verdict
    )


@given(st.integers(1, 10_000), JITTER)
def test_backoff_is_bounded(attempt: int, jitter: float) -> None:
    assert 0 <= backoff_seconds(attempt, jitter) <= BACKOFF_CAP_SECONDS
    assert backoff_seconds(attempt, jitter) <= 0.5 * 2 ** min(attempt - 1, 100)


@given(
    st.sampled_from(FaultKind),
    st.integers(1, 50),
    st.floats(-10, 1e6),
    st.none() | st.floats(0, LONGEST_RETRY_AFTER_SECONDS),
    JITTER,
)
def test_waits_respect_retry_after_and_the_remaining_time(
    kind: FaultKind, attempt: int, remaining: float, retry_after: float | None, jitter: float
) -> None:
    verdict = decide(kind, attempt=attempt, remaining_seconds=remaining, retry_after_seconds=retry_after, jitter=jitter)
    if isinstance(verdict, Wait):
        assert attempt < kind.max_tries
        assert (retry_after or 0) <= verdict.seconds < remaining


@pytest.mark.parametrize(
    ("value", "answered_at", "seconds"),
    [
        pytest.param("3", None, 3.0, id="seconds"),
        pytest.param(" 120 ", None, 120.0, id="blanks"),
        pytest.param("0", None, 0.0, id="zero"),
        pytest.param("007", None, 7.0, id="leading-zeros"),
        pytest.param("86400", None, 86_400.0, id="a-day"),
        pytest.param("9" * 5000, None, LONGEST_RETRY_AFTER_SECONDS, id="never"),
        pytest.param("0" * 5000 + "5", None, 5.0, id="padded"),
        pytest.param("Mon, 23 Nov 2026 12:00:30 GMT", None, 30.0, id="date"),
        pytest.param("Mon, 23 Nov 2026 11:00:00 GMT", None, 0.0, id="past-date"),
        pytest.param(
            "Mon, 23 Nov 2026 13:00:30 GMT", "Mon, 23 Nov 2026 13:00:00 GMT", 30.0, id="date-of-a-skewed-clock"
        ),
        pytest.param("Mon, 23 Nov 2026 12:00:30 GMT", "nonsense", 30.0, id="date-without-usable-clock"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", None, LONGEST_RETRY_AFTER_SECONDS, id="date-far-off"),
        pytest.param("1.5", None, None, id="fraction"),
        pytest.param("abc", None, None, id="word"),
        pytest.param("-5", None, None, id="negative"),
        pytest.param("", None, None, id="empty"),
        pytest.param(None, None, None, id="absent"),
        pytest.param("²", None, None, id="superscript"),
        pytest.param("Mon, 99 Nov 2026 12:00:30 GMT", None, None, id="no-such-day"),
        pytest.param("Nov " + "9" * 5000, None, None, id="endless-date"),
    ],
)
def test_retry_after(value: str | None, answered_at: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW, answered_at=answered_at) == seconds


@pytest.mark.slow
@given(st.text(max_size=80) | st.from_regex(r"(Mon, )?[0-9]{1,3} [A-Z][a-z]{2} -?[0-9]{1,6} [0-9:.]{0,9} ?\S{0,6}"))
def test_any_text_is_read_as_retry_after_without_an_exception(value: str) -> None:
    seconds = parse_retry_after(value, now=NOW, answered_at=value[::-1])
    assert seconds is None or 0 <= seconds <= LONGEST_RETRY_AFTER_SECONDS


@given(st.integers(0, 10**12))
def test_whole_seconds_are_read_exactly(asked: int) -> None:
    assert parse_retry_after(str(asked), now=NOW) == min(asked, LONGEST_RETRY_AFTER_SECONDS)


@given(st.integers(-10_000, 10_000_000), st.integers(-86_400, 86_400))
def test_dates_are_compared_with_the_clock_of_the_server(asked: int, skew: int) -> None:
    theirs = NOW + timedelta(seconds=skew)
    value = format_datetime(theirs + timedelta(seconds=asked), usegmt=True)
    answered_at = format_datetime(theirs, usegmt=True)
    assert parse_retry_after(value, now=NOW, answered_at=answered_at) == max(0, asked)


@given(st.integers(0, 20), st.floats(0, 1), st.lists(st.booleans(), max_size=200))
def test_retries_stay_within_the_budget(reserve: int, earned: float, successes: list[bool]) -> None:
    budget = RetryBudget(reserve, earned)
    spent = good = 0
    for is_success in successes:
        if is_success:
            budget.earn()
            good += 1
        else:
            spent += budget.spend()
    assert spent <= reserve + good * earned + 1e-9
    assert spent >= min(reserve, successes.count(False))


def test_max_tries_and_labels() -> None:
    assert {kind.label: kind.max_tries for kind in FaultKind} == {
        "transport": 8,
        "server": 8,
        "rate limit": 20,
        "not json": 3,
    }
