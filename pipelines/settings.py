"""Settings from the environment, read when they are needed and checked at once."""

from __future__ import annotations

import os
import re

from pipelines.contract import Contract
from pipelines.errors import WrongSetting
from pipelines.escaping import printable
from pipelines.kalshi.base_url import DEFAULT_BASE_URL, OLDER_BASE_URL
from pipelines.kalshi.network import Network, fault_of_ca_bundle, fault_of_proxy
from pipelines.storage.home import expanded
from schemas.api import PAGE_LIMIT

BASE_URL_VARIABLE = "KALSHI_BASE_URL"

REQUESTS_PER_SECOND_VARIABLE = "KALSHI_REQUESTS_PER_SECOND"
DEFAULT_REQUESTS_PER_SECOND = 4.0
"""What unsigned callers are reported to be safe with; 0 switches pacing off."""

DEADLINE_VARIABLE = "KALSHI_DEADLINE_SECONDS"
DEFAULT_DEADLINE_SECONDS = 60.0
"""For one page, all tries included."""

OVERLAP_VARIABLE = "KALSHI_OVERLAP_SECONDS"
DEFAULT_OVERLAP_SECONDS = 300
MAX_OVERLAP_SECONDS = 86_400
"""How far an incremental sweep reaches back before the watermark: clocks differ, and an update may show late."""

PROXY_VARIABLE = "KALSHI_PROXY"
CA_BUNDLE_VARIABLE = "KALSHI_CA_BUNDLE"

PAGE_LIMIT_VARIABLE = "KALSHI_PAGE_LIMIT"
"""Most milestones to request in one page; `schemas.api.PAGE_LIMIT` when not set."""

CONTRACT_VARIABLE = "MILESTONES_CONTRACT"
"""How details may change: see pipelines.contract."""

_COUNT = re.compile(r"\s*([0-9]{1,9})\s*", re.ASCII)


def base_url() -> str:
    """Where the API is."""
    return os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL


def fallback_base_url() -> str | None:
    """Where the API may be instead; None where `KALSHI_BASE_URL` says where it is."""
    return None if os.environ.get(BASE_URL_VARIABLE) else OLDER_BASE_URL


def network() -> Network:
    """How to get out of this machine's network. Raises WrongSetting, which never quotes the proxy's address."""
    # Secrets read from files end in a newline.
    proxy = os.environ.get(PROXY_VARIABLE, "").strip()
    if proxy and (fault := fault_of_proxy(proxy)):
        raise WrongSetting(
            f"{PROXY_VARIABLE} cannot be used ({fault}): give http://HOST:PORT or https://HOST:PORT, "
            "with USER:PASSWORD@ before the host where the proxy wants them"
        )
    bundle = os.environ.get(CA_BUNDLE_VARIABLE)
    path = expanded(bundle).absolute() if bundle else None
    if path and (fault := fault_of_ca_bundle(path)):
        raise WrongSetting(
            f"{CA_BUNDLE_VARIABLE} cannot be used ({printable(str(path))}: {fault}): give a readable PEM file with the "
            "certificates of the authorities to trust"
        )
    return Network(proxy or None, path)


def requests_per_second() -> float:
    """The pace, 0 for none. Raises WrongSetting."""
    return _number(REQUESTS_PER_SECOND_VARIABLE, DEFAULT_REQUESTS_PER_SECOND, at_least=0)


def deadline_seconds() -> float:
    """The deadline of a page. Raises WrongSetting."""
    return _number(DEADLINE_VARIABLE, DEFAULT_DEADLINE_SECONDS, at_least=0.1)


def overlap_seconds() -> int:
    """The overlap of incremental sweeps, in seconds. Raises WrongSetting."""
    text = os.environ.get(OVERLAP_VARIABLE)
    if not text:
        return DEFAULT_OVERLAP_SECONDS
    if not re.fullmatch(r"[0-9]{1,5}", text.strip()) or int(text) > MAX_OVERLAP_SECONDS:
        raise WrongSetting(
            f"{OVERLAP_VARIABLE} is {text[:40]!r}: give a whole number of seconds from 0 to {MAX_OVERLAP_SECONDS}"
        )
    return int(text)


def page_limit() -> int:
    """The page size to request. Raises WrongSetting."""
    text = os.environ.get(PAGE_LIMIT_VARIABLE)
    if not text:
        return PAGE_LIMIT
    # int() also takes 5_0, and complains of long texts in its own words.
    limit = int(text) if re.fullmatch(r"\s*0*[0-9]{1,3}\s*", text, re.ASCII) else 0
    if not 1 <= limit <= PAGE_LIMIT:
        raise WrongSetting(f"{PAGE_LIMIT_VARIABLE} is {text[:40]!r}: give a whole number from 1 to {PAGE_LIMIT}")
    return limit


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
