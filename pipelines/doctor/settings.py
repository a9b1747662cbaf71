"""Checks of the environment variables: each one set, default or wrong, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pipelines.doctor.findings import Finding
from pipelines.errors import MilestonesError
from pipelines.kalshi.base_url import check_base_url
from pipelines.kalshi.errors import KalshiError
from pipelines.observability.alerts import Webhook
from pipelines.observability.logs import log_format
from pipelines.observability.redaction import HIDDEN, redact
from pipelines.settings import KEY_ID_VARIABLE, VARIABLES, WEBHOOK_VARIABLE, Settings, default_text, setting
from pipelines.storage.home import Home

PREFIXES = ("KALSHI_", "MILESTONES_")


def check_settings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """One finding for each setting, and one for each variable that is probably a misspelled setting."""
    for name, variable in VARIABLES.items():
        try:
            value = setting(name, environment)
            _check(name, value, environment)
        except (MilestonesError, KalshiError) as error:
            yield Finding(variable, "error", redact(str(error), environment=environment))
            continue
        if environment.get(variable, "").strip():
            yield Finding(variable, "ok", f"set: {_shown(variable, value, environment)}")
        else:
            yield Finding(variable, "ok", f"default: {default_text(name).replace('`', '')}")
    yield from _misspelled(environment)


def _check(name: str, value: Any, environment: Mapping[str, str]) -> None:
    """Check what is not a number with bounds. Raises WrongSetting, BadBaseUrl."""
    alone = Settings(**{name: value})
    match name:
        case "base_url":
            check_base_url(alone.api_base_url)
        case "proxy" | "ca_bundle":
            alone.network()
        case "private_key_file":
            Settings(
                api_key_id=setting("api_key_id", environment), private_key_file=setting("private_key_file", environment)
            ).signer()
        case "endpoints":
            alone.kept_endpoints()
        case "lake":
            alone.lake_address()
        case "contract":
            alone.details_contract()
        case "webhook_url" if value:
            Webhook(value)
        case "log":
            log_format(environment)
        case "home":
            Home.from_environment(environment)


def _shown(variable: str, value: Any, environment: Mapping[str, str]) -> str:
    if variable in {WEBHOOK_VARIABLE, KEY_ID_VARIABLE}:
        return HIDDEN
    return redact(str(value), environment=environment)


def _misspelled(environment: Mapping[str, str]) -> Iterator[Finding]:
    known = list(VARIABLES.values())
    for variable in sorted(environment):
        if not variable.startswith(PREFIXES) or variable in known:
            continue
        # Other programs have settings for Kalshi too: only a name that is nearly ours is worth a warning.
        similar = get_close_matches(variable, known, n=1, cutoff=0.88)
        if similar or variable.startswith("MILESTONES_"):
            advice = f"did you mean {similar[0]}?" if similar else "see the settings in README.md"
            yield Finding(variable, "warning", "is not a setting of milestones", advice)
