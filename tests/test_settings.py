"""Settings from the environment, checked at once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines import settings
from pipelines.errors import WrongSetting

NUMBERS = {
    "KALSHI_REQUESTS_PER_SECOND": (settings.requests_per_second, 4.0, "0"),
    "KALSHI_DEADLINE_SECONDS": (settings.deadline_seconds, 60.0, "0.1"),
}
of_each = pytest.mark.parametrize(
    ("variable", "read", "default", "least"), [(name, *rest) for name, rest in NUMBERS.items()], ids=NUMBERS
)


@of_each
def test_defaults(
    monkeypatch: pytest.MonkeyPatch, variable: str, read: Callable[[], float], default: float, least: str
) -> None:
    monkeypatch.delenv(variable, raising=False)
    assert read() == default
    monkeypatch.setenv(variable, "")
    assert read() == default


@of_each
@pytest.mark.parametrize(("text", "number"), [("7", 7.0), (" 2.5 ", 2.5), ("1e1", 10.0)], ids=["7", "2.5", "1e1"])
def test_a_number_is_taken(
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    read: Callable[[], float],
    default: float,
    least: str,
    text: str,
    number: float,
) -> None:
    monkeypatch.setenv(variable, text)
    assert read() == number


@of_each
def test_the_least_is_taken(
    monkeypatch: pytest.MonkeyPatch, variable: str, read: Callable[[], float], default: float, least: str
) -> None:
    monkeypatch.setenv(variable, least)
    assert read() == float(least)


@of_each
@pytest.mark.parametrize(
    "text",
    ["four", "-1", "nan", "inf", "-inf", "1e999", "4,5", "0x4", "4 s", "4\n\x1b[31m", "9" * 400],
    ids=["word", "negative", "nan", "inf", "-inf", "overflow", "comma", "hex", "unit", "control", "long"],
)
def test_what_is_no_such_number(
    monkeypatch: pytest.MonkeyPatch, variable: str, read: Callable[[], float], default: float, least: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    with pytest.raises(WrongSetting) as caught:
        read()
    assert str(caught.value) == f"{variable} is {text[:40]!r}: give a number, {least} or more"
    assert str(caught.value).isprintable()
    assert caught.value.exit_status == 2


def test_a_deadline_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KALSHI_DEADLINE_SECONDS", "0")
    with pytest.raises(WrongSetting, match="KALSHI_DEADLINE_SECONDS is '0'"):
        settings.deadline_seconds()


@pytest.mark.parametrize(("text", "seconds"), [("", 300), ("0", 0), (" 900 ", 900), ("86400", 86_400)])
def test_an_overlap(monkeypatch: pytest.MonkeyPatch, text: str, seconds: int) -> None:
    monkeypatch.setenv("KALSHI_OVERLAP_SECONDS", text)
    assert settings.overlap_seconds() == seconds


@pytest.mark.parametrize("text", ["86401", "-1", "1.5", "1e3", "five", "²", "9" * 5_000, "1\x1b"], ids=repr)
def test_what_is_no_overlap(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KALSHI_OVERLAP_SECONDS", text)
    with pytest.raises(WrongSetting) as caught:
        settings.overlap_seconds()
    assert str(caught.value) == (
        f"KALSHI_OVERLAP_SECONDS is {text[:40]!r}: give a whole number of seconds from 0 to 86400"
    )


@pytest.mark.parametrize(("text", "limit"), [("", 500), ("1", 1), ("500", 500), (" 200 ", 200), ("0100", 100)], ids=str)
def test_the_page_limit(monkeypatch: pytest.MonkeyPatch, text: str, limit: int) -> None:
    monkeypatch.delenv("KALSHI_PAGE_LIMIT", raising=False)
    assert settings.page_limit() == 500
    monkeypatch.setenv("KALSHI_PAGE_LIMIT", text)
    assert settings.page_limit() == limit


@pytest.mark.parametrize(
    "text",
    ["0", "501", "1000", "-1", "+5", "1.5", "1e2", "5_0", "many", "\u0665", "9" * 5000, "1000100", "00"],
    ids=ascii,
)
def test_what_is_no_page_limit(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("KALSHI_PAGE_LIMIT", text)
    with pytest.raises(WrongSetting) as caught:
        settings.page_limit()
    assert str(caught.value) == f"KALSHI_PAGE_LIMIT is {text[:40]!r}: give a whole number from 1 to 500"
    assert caught.value.exit_status == 2


def test_the_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KALSHI_BASE_URL", raising=False)
    documented = "https://external-api.kalshi.com/trade-api/v2", "https://api.elections.kalshi.com/trade-api/v2"
    assert (settings.base_url(), settings.fallback_base_url()) == documented
    monkeypatch.setenv("KALSHI_BASE_URL", "")
    assert (settings.base_url(), settings.fallback_base_url()) == documented
    monkeypatch.setenv("KALSHI_BASE_URL", "http://127.0.0.1:8799/trade-api/v2")
    assert (settings.base_url(), settings.fallback_base_url()) == ("http://127.0.0.1:8799/trade-api/v2", None)
    # What somebody set is asked for and nothing else, the documented address too.
    monkeypatch.setenv("KALSHI_BASE_URL", documented[0])
    assert settings.fallback_base_url() is None
