"""Settings from the environment: defaults, bounds, and messages that name the variable."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from pipelines.errors import WrongSetting
from pipelines.settings import DEFAULTS, VARIABLES, Settings, setting
from tests.keys import private_key_file

NUMBERS = {
    "requests_per_second": (4.0, "0"),
    "deadline_seconds": (60.0, "0.1"),
}
WHOLE_NUMBERS = {
    "overlap_seconds": (300, "0", "86400", "a whole number from 0 to 86400"),
    "page_limit": (500, "1", "500", "a whole number from 1 to 500"),
    "endpoint_requests": (100, "1", "999999999", "a whole number, 1 or more"),
    "keep_snapshots": (3, "1", "999999999", "a whole number, 1 or more"),
    "keep_sweeps": (20, "1", "999999999", "a whole number, 1 or more"),
    "keep_runs": (200, "1", "999999999", "a whole number, 1 or more"),
    "threads": (None, "1", "999999999", "a whole number, 1 or more"),
}
each_number = pytest.mark.parametrize(
    ("name", "default", "least"), [(name, *rest) for name, rest in NUMBERS.items()], ids=NUMBERS
)
each_whole_number = pytest.mark.parametrize(
    ("name", "default", "least", "most", "bounds"),
    [(name, *rest) for name, rest in WHOLE_NUMBERS.items()],
    ids=WHOLE_NUMBERS,
)


def test_each_setting_has_a_variable_of_its_own() -> None:
    assert len(set(VARIABLES.values())) == len(Settings.__struct_fields__)
    assert all(variable.startswith(("KALSHI_", "MILESTONES_")) for variable in VARIABLES.values())


def test_an_empty_environment_gives_the_defaults() -> None:
    assert Settings.from_environment({}) == DEFAULTS
    assert Settings.from_environment(dict.fromkeys(VARIABLES.values(), "")) == DEFAULTS


@each_number
@pytest.mark.parametrize(("text", "number"), [("7", 7.0), (" 2.5 ", 2.5), ("1e1", 10.0)], ids=["7", "2.5", "1e1"])
def test_a_number_is_read(name: str, default: float, least: str, text: str, number: float) -> None:
    assert setting(name, {}) == default
    assert setting(name, {VARIABLES[name]: text}) == number
    assert setting(name, {VARIABLES[name]: least}) == float(least)


@each_number
@pytest.mark.parametrize(
    "text",
    ["four", "-1", "nan", "inf", "-inf", "1e999", "4,5", "0x4", "4 s", "4\n\x1b[31m", "9" * 400],
    ids=["word", "negative", "nan", "inf", "-inf", "overflow", "comma", "hex", "unit", "control", "long"],
)
def test_an_invalid_number_is_refused(name: str, default: float, least: str, text: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        Settings.from_environment({VARIABLES[name]: text})
    assert str(caught.value) == f"{VARIABLES[name]} is {text[:40]!r}: give a number, {least} or more"
    assert str(caught.value).isprintable()
    assert caught.value.exit_status == 2


def test_a_deadline_of_zero_is_refused() -> None:
    with pytest.raises(WrongSetting, match="KALSHI_DEADLINE_SECONDS is '0'"):
        setting("deadline_seconds", {"KALSHI_DEADLINE_SECONDS": "0"})


@each_whole_number
def test_a_whole_number_is_read(name: str, default: int | None, least: str, most: str, bounds: str) -> None:
    assert setting(name, {}) == default
    for text in (least, most, f" {most}\n", f"00{most}"):
        assert setting(name, {VARIABLES[name]: text}) == int(text)


@each_whole_number
@pytest.mark.parametrize(
    "text",
    ["-1", "+5", "1.5", "1e2", "5_0", "many", "null", "\u0665", "²", "9" * 5_000, "1\x1b"],
    ids=ascii,
)
def test_an_invalid_whole_number_is_refused(
    name: str, default: int | None, least: str, most: str, bounds: str, text: str
) -> None:
    with pytest.raises(WrongSetting) as caught:
        setting(name, {VARIABLES[name]: text})
    assert str(caught.value) == f"{VARIABLES[name]} is {text[:40]!r}: give {bounds}"
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [("overlap_seconds", "86401"), ("page_limit", "0"), ("page_limit", "501"), ("keep_runs", "0"), ("threads", "0")],
)
def test_a_number_out_of_bounds_is_refused(name: str, text: str) -> None:
    with pytest.raises(WrongSetting, match=f"^{VARIABLES[name]} is '{text}': give a whole number"):
        setting(name, {VARIABLES[name]: text})


def test_the_base_url_and_its_fallback() -> None:
    documented = "https://external-api.kalshi.com/trade-api/v2", "https://api.elections.kalshi.com/trade-api/v2"
    default = Settings.from_environment({})
    assert (default.api_base_url, default.fallback_base_url) == documented
    # An address that the user set is the only one that is requested, even if it is the documented one.
    for address in ("http://127.0.0.1:8799/trade-api/v2", documented[0]):
        chosen = Settings.from_environment({"KALSHI_BASE_URL": address})
        assert (chosen.api_base_url, chosen.fallback_base_url) == (address, None)


def test_an_invalid_contract_is_refused() -> None:
    with pytest.raises(WrongSetting, match="is not a contract"):
        Settings.from_environment({"MILESTONES_CONTRACT": "football_game=maybe"})


def test_the_word_null_is_text() -> None:
    assert setting("proxy", {"KALSHI_PROXY": "null"}) == "null"


@pytest.mark.parametrize(
    ("text", "names"),
    [("", ["targets", "events", "series", "live"]), ("live, targets,", ["targets", "live"]), ("none", [])],
)
def test_endpoints_are_refreshed_in_a_fixed_order(text: str, names: list[str]) -> None:
    settings = Settings.from_environment({"MILESTONES_ENDPOINTS": text})
    assert [endpoint.name for endpoint in settings.kept_endpoints()] == names


def test_an_unknown_endpoint_is_named() -> None:
    with pytest.raises(WrongSetting, match="MILESTONES_ENDPOINTS names 'markets, none': give names of events, live"):
        Settings.from_environment({"MILESTONES_ENDPOINTS": "markets,events,none"})


def test_a_key_signs_requests_to_the_configured_host_only(tmp_path: Path) -> None:
    key = {"KALSHI_API_KEY_ID": " an-id\n", "KALSHI_PRIVATE_KEY_FILE": str(private_key_file(tmp_path))}
    documented = ["https://external-api.kalshi.com", "https://api.elections.kalshi.com"]
    demo = "https://external-api.demo.kalshi.co"
    for environment, signed in ((key, documented), (key | {"KALSHI_BASE_URL": f"{demo}/trade-api/v2"}, [demo])):
        signer = Settings.from_environment(environment).signer()
        assert signer is not None
        sign = signer.at(lambda: datetime.now(UTC))
        urls = [f"{host}/trade-api/v2/milestones" for host in (*documented, demo, "https://hooks.example")]
        prepared = [sign(requests.Request("GET", url).prepare()) for url in urls]
        assert {one.url for one in prepared if "KALSHI-ACCESS-KEY" in one.headers} == {
            f"{host}/trade-api/v2/milestones" for host in signed
        }


@pytest.mark.parametrize(
    ("key_id", "file", "message"),
    [
        ("s3cret-id", "", "KALSHI_API_KEY_ID is set and KALSHI_PRIVATE_KEY_FILE is not: set both"),
        ("", "key.pem", "KALSHI_PRIVATE_KEY_FILE is set and KALSHI_API_KEY_ID is not: set both"),
        ("s3cret id", "key.pem", r"KALSHI_API_KEY_ID cannot be used \(it holds blanks"),
        ("s3cret-id", "key.pem", r"KALSHI_PRIVATE_KEY_FILE cannot be used \(/.*key.pem: its mode is 0644"),
        ("s3cret-id", "nowhere.pem", r"KALSHI_PRIVATE_KEY_FILE cannot be used \(/.*nowhere.pem: there is no such file"),
    ],
    ids=["no-file", "no-id", "blank", "readable", "missing"],
)
def test_a_key_that_cannot_be_used_is_refused(tmp_path: Path, key_id: str, file: str, message: str) -> None:
    (tmp_path / "key.pem").touch()
    (tmp_path / "key.pem").chmod(0o644)
    environment = {"KALSHI_API_KEY_ID": key_id, "KALSHI_PRIVATE_KEY_FILE": file and str(tmp_path / file)}
    with pytest.raises(WrongSetting, match=message) as caught:
        Settings.from_environment(environment)
    assert "s3cret" not in str(caught.value)


def test_no_key_signs_nothing() -> None:
    assert Settings.from_environment({}).signer() is None
