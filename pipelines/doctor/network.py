"""Checks of the API and of the clock, with one request."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from pipelines.doctor.findings import Finding
from pipelines.errors import ExtraMissing, WrongSetting
from pipelines.kalshi.client import KalshiClient
from pipelines.kalshi.errors import KalshiError
from pipelines.kalshi.query import MilestoneQuery
from pipelines.kalshi.transport import build_session
from pipelines.observability.redaction import redact
from pipelines.settings import Settings
from pipelines.wording import duration

DEADLINE_SECONDS = 10.0

MAX_SKEW = timedelta(seconds=5)
"""The Date header has whole seconds, and the response takes a moment."""


def check_api(environment: Mapping[str, str], *, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Request one milestone; compare the local clock with the Date of the response."""
    try:
        settings = Settings.from_environment(environment)
    except (WrongSetting, ExtraMissing):
        yield Finding("API", "error", "is not requested with wrong settings", "correct them first")
        return
    session = build_session(settings.network())
    skews: list[timedelta] = []
    session.hooks["response"].append(_record_skew(skews, now))
    began = time.monotonic()
    with (
        session,
        KalshiClient(
            settings.api_base_url,
            fallback_base_url=settings.fallback_base_url,
            requests_per_second=None,
            deadline_seconds=min(settings.deadline_seconds, DEADLINE_SECONDS),
            session=session,
            signer=settings.signer(),
        ) as api,
    ):
        try:
            response = api.list_page(MilestoneQuery(limit=1))
        except KalshiError as error:
            yield Finding("API", "error", redact(str(error)), _way(settings))
        else:
            seconds = time.monotonic() - began
            way = f", {_way(settings)}" if _way(settings) else ""
            text = f"{api.base_url} answered in {seconds:.1f} s{way}"
            if response.records:
                yield Finding("API", "ok", text)
            else:
                yield Finding("API", "warning", f"{text}, but lists no milestone", "it may have an outage: try later")
    yield clock_finding(skews[-1] if skews else None, overlap_seconds=settings.overlap_seconds)


def clock_finding(skew: timedelta | None, *, overlap_seconds: int) -> Finding:
    """What a skew means: the local time minus that of the API; None where the API told no time."""
    if skew is None:
        return Finding("clock", "warning", "cannot be compared: the API did not answer with its time")
    if abs(skew) <= MAX_SKEW:
        return Finding("clock", "ok", f"within {duration(MAX_SKEW)} of the API's")
    direction = "ahead of" if skew > timedelta() else "behind"
    return Finding(
        "clock",
        "warning",
        f"{duration(abs(skew))} {direction} the API's; sweeps allow for {overlap_seconds} s (KALSHI_OVERLAP_SECONDS)",
        "set the clock by NTP: timedatectl set-ntp true",
    )


def _record_skew(skews: list[timedelta], now: Callable[[], datetime]) -> Callable[..., None]:
    def record(response: requests.Response, *_: Any, **__: Any) -> None:
        try:
            date = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return
        skews.append(now() - (date if date.tzinfo else date.replace(tzinfo=UTC)))

    return record


def _way(settings: Settings) -> str:
    """How requests leave this machine."""
    parts = []
    if settings.proxy:
        parts.append(f"through the proxy {redact(settings.proxy)}")
    if settings.ca_bundle:
        parts.append(f"with the certificates of {settings.ca_bundle}")
    if signer := settings.signer():
        parts.append(f"signed with the key {signer.shown_key_id}")
    return " ".join(parts)
