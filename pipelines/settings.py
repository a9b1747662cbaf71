"""Settings from the environment, read when they are needed and checked at once."""

from __future__ import annotations

import os
import re

from pipelines.contract import Contract
from pipelines.errors import WrongSetting

BASE_URL_VARIABLE = "KALSHI_BASE_URL"
DEFAULT_BASE_URL = "https://api.elections.kalshi.com/trade-api/v2"

REQUESTS_PER_SECOND_VARIABLE = "KALSHI_REQUESTS_PER_SECOND"
DEFAULT_REQUESTS_PER_SECOND = 4.0
"""What unsigned callers are reported to be safe with; 0 switches pacing off."""

DEADLINE_VARIABLE = "KALSHI_DEADLINE_SECONDS"
DEFAULT_DEADLINE_SECONDS = 60.0
"""For one page, all tries included."""

CONTRACT_VARIABLE = "MILESTONES_CONTRACT"
"""How details may change: see pipelines.contract."""

_COUNT = re.compile(r"\s*([0-9]{1,9})\s*", re.ASCII)


def base_url() -> str:
    """Where the API is."""
    return os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL


def requests_per_second() -> float:
    """The pace, 0 for none. Raises WrongSetting."""
    return _number(REQUESTS_PER_SECOND_VARIABLE, DEFAULT_REQUESTS_PER_SECOND, at_least=0)


def deadline_seconds() -> float:
    """The deadline of a page. Raises WrongSetting."""
    return _number(DEADLINE_VARIABLE, DEFAULT_DEADLINE_SECONDS, at_least=0.1)


def contract() -> Contract:
    """How details may change; evolve when not set. Raises WrongSetting."""
    return Contract.parse(os.environ.get(CONTRACT_VARIABLE, ""))


def whole_number(variable: str, default: int) -> int:
    """A count of 1 or more; the default when the variable is not set. Raises WrongSetting."""
    text = os.environ.get(variable)
    if not text:
        return default
    match = _COUNT.fullmatch(text)
    count = int(match[1]) if match else 0
    if count < 1:
        raise WrongSetting(f"{variable} is {text[:40]!r}: give a whole number, 1 or more")
    return count


def _number(variable: str, default: float, *, at_least: float) -> float:
    text = os.environ.get(variable)
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not at_least <= number < float("inf"):
        raise WrongSetting(f"{variable} is {text[:40]!r}: give a number, {at_least:g} or more")
    return number
