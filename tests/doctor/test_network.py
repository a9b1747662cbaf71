"""One request tells whether the API answers, and what its clock says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.doctor.network import check_api, clock_finding
from tests.cli.commands import DEAD_URL
from tests.keys import private_key_file
from tests.support import Shells, milestone


def test_an_api_that_answers(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path, [milestone(1)])
    environment = {"KALSHI_BASE_URL": shell.base_url}
    api, clock = check_api(environment, now=lambda: datetime.now(UTC))
    assert (api.level, clock.level) == ("ok", "ok")
    assert api.text.startswith(f"{shell.base_url} answered in ")
    _, late = check_api(environment, now=lambda: datetime.now(UTC) - timedelta(minutes=10))
    assert (late.level, late.text.startswith("10 minutes behind the API's")) == ("warning", True)


def test_signed_requests_are_shown_without_the_id(shells: Shells, tmp_path: Path) -> None:
    key_id = "a952bcbe-ec3b-4b5b-b8f9-11dae589608c"
    environment = {
        "KALSHI_BASE_URL": shells(tmp_path, [milestone(1)]).base_url,
        "KALSHI_API_KEY_ID": key_id,
        "KALSHI_PRIVATE_KEY_FILE": str(private_key_file(tmp_path)),
    }
    api, _ = check_api(environment, now=lambda: datetime.now(UTC))
    assert (api.level, api.text.endswith(" s, signed with the key a952***")) == ("ok", True)
    (wrong,) = check_api(environment | {"KALSHI_API_KEY_ID": ""}, now=lambda: datetime.now(UTC))
    assert wrong.text == "is not requested with wrong settings"


def test_an_api_without_milestones_is_a_warning(shells: Shells, tmp_path: Path) -> None:
    api, _ = check_api({"KALSHI_BASE_URL": shells(tmp_path).base_url}, now=lambda: datetime.now(UTC))
    assert (api.level, "lists no milestone" in api.text) == ("warning", True)


def test_an_error_of_the_api_still_tells_its_time(shells: Shells, tmp_path: Path) -> None:
    environment = {"KALSHI_BASE_URL": shells(tmp_path).base_url.replace("v2", "v9")}
    api, clock = check_api(environment, now=lambda: datetime.now(UTC))
    assert (api.level, clock.level) == ("error", "ok")
    assert "nothing found" in api.text


def test_an_api_that_cannot_be_reached() -> None:
    environment = {"KALSHI_BASE_URL": DEAD_URL, "KALSHI_DEADLINE_SECONDS": "0.2"}
    api, clock = check_api(environment, now=lambda: datetime.now(UTC))
    assert (api.level, clock.level) == ("error", "warning")
    assert "127.0.0.1:9" in api.text


def test_wrong_settings_send_no_request() -> None:
    (found,) = check_api({"KALSHI_PAGE_LIMIT": "0"}, now=lambda: datetime.now(UTC))
    assert (found.name, found.level) == ("API", "error")


@pytest.mark.parametrize(
    ("seconds", "level", "text"),
    [
        (0.9, "ok", "within 5 seconds"),
        (-5, "ok", "within 5 seconds"),
        (6, "warning", "6 seconds ahead of the API's"),
        (-7200, "warning", "2 hours behind the API's; sweeps allow for 300 s"),
        (None, "warning", "cannot be compared"),
    ],
)
def test_the_skew_of_the_clock(seconds: float | None, level: str, text: str) -> None:
    skew = None if seconds is None else timedelta(seconds=seconds)
    found = clock_finding(skew, overlap_seconds=300)
    assert (found.level, text in found.text) == (level, True)
