"""Every setting is set, default or wrong; secrets are never shown."""

from __future__ import annotations

import pytest

from pipelines.doctor.findings import Finding
from pipelines.doctor.settings import check_settings
from pipelines.settings import VARIABLES


def test_every_setting_has_a_line_with_its_default() -> None:
    found = list(check_settings({"OTHER": "x"}))
    assert [one.name for one in found] == list(VARIABLES.values())
    assert {one.level for one in found} == {"ok"}
    assert Finding("KALSHI_BASE_URL", "ok", "default: https://external-api.kalshi.com/trade-api/v2") in found
    assert Finding("MILESTONES_KEEP_RUNS", "ok", "default: 200") in found


def test_what_is_set_is_shown_without_secrets() -> None:
    environment = {
        "KALSHI_REQUESTS_PER_SECOND": " 2.5\n",
        "KALSHI_PROXY": "http://me:s3cretpass@proxy:80",
        "MILESTONES_WEBHOOK_URL": "https://hooks.example/s3cretpass",
    }
    found = {one.name: one for one in check_settings(environment)}
    assert found["KALSHI_REQUESTS_PER_SECOND"].text == "set: 2.5"
    assert found["KALSHI_PROXY"].text == "set: http://***@proxy:80"
    assert found["MILESTONES_WEBHOOK_URL"].text == "set: ***"


WRONG = {
    "KALSHI_BASE_URL": ("https://me:s3cretpass@example.com", "cannot use the base URL"),
    "KALSHI_PAGE_LIMIT": ("501", "KALSHI_PAGE_LIMIT is '501': give a whole number from 1 to 500"),
    "KALSHI_PROXY": ("socks5://me:s3cretpass@proxy", "only http and https proxies"),
    "KALSHI_CA_BUNDLE": ("/nowhere.pem", "/nowhere.pem: No such file"),
    "KALSHI_PRIVATE_KEY_FILE": ("/nowhere.pem", "KALSHI_API_KEY_ID is not: set both"),
    "MILESTONES_ENDPOINTS": ("teams", "MILESTONES_ENDPOINTS names 'teams'"),
    "MILESTONES_CONTRACT": ("melt", "melt"),
    "MILESTONES_WEBHOOK_URL": ("http://me:s3cretpass@example.com/s3cret", "give the https URL of a webhook"),
    "MILESTONES_LOG": ("xml", "MILESTONES_LOG is 'xml': give json or text"),
    "MILESTONES_HOME": ("~nobody-has-this-name/x", "no such user"),
}


@pytest.mark.parametrize(("variable", "value", "text"), [(name, *rest) for name, rest in WRONG.items()], ids=WRONG)
def test_one_wrong_setting_hides_no_other(variable: str, value: str, text: str) -> None:
    found = list(check_settings({variable: value}))
    (wrong,) = (one for one in found if one.level != "ok")
    assert (wrong.name, wrong.level) == (variable, "error")
    assert text in wrong.text
    assert "s3cret" not in wrong.text
    assert len(found) == len(VARIABLES)


def test_the_id_of_a_key_is_never_shown() -> None:
    found = {one.name: one for one in check_settings({"KALSHI_API_KEY_ID": "id"})}
    assert found["KALSHI_API_KEY_ID"].text == "set: ***"
    assert found["KALSHI_PRIVATE_KEY_FILE"].level == "error"
    assert "KALSHI_API_KEY_ID is set and KALSHI_PRIVATE_KEY_FILE is not" in found["KALSHI_PRIVATE_KEY_FILE"].text


def test_misspelled_settings_are_found_and_those_of_others_are_not() -> None:
    found = list(check_settings({"KALSHI_PAGE_LIMITS": "1", "KALSHI_ACCOUNT": "x", "MILESTONES_X": "1"}))
    assert [(one.name, one.level, one.advice) for one in found if one.level != "ok"] == [
        ("KALSHI_PAGE_LIMITS", "warning", "did you mean KALSHI_PAGE_LIMIT?"),
        ("MILESTONES_X", "warning", "see the settings in README.md"),
    ]
