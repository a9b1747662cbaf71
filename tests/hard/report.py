"""The results of all campaigns as Markdown, and their place in docs/reliability.md. No measuring here."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from tests.hard.campaign import Campaign, Totals

BEGIN, END = "<!-- numbers -->", "<!-- end of numbers -->"
PACKAGES = ("duckdb", "pyarrow", "msgspec", "pandera", "dagster", "hypothesis")
FAULTS_SHOWN = 5

METHOD = (
    "A case depends on the seed and its number only. `seconds` are those of all processes together. The bound is the "
    "rule of three: if none of N failed, the true share is below 3/N with a confidence of 95 %. A case fails if any of "
    "its comparisons does."
)


class NoPlaceError(ValueError):
    """The document has no markers."""


def table(campaigns: Mapping[str, Campaign], totals: Mapping[str, Totals | str], *, seed: int, now: datetime) -> str:
    """What was measured; a text in place of totals says why nothing was."""
    lines = [
        f"`make test-hard`, {now:%Y-%m-%d} UTC, seed {seed}. {machine()}",
        METHOD,
        "\n".join(
            [
                "| number | N | measured | failed | bound | seconds |",
                "| --- | --- | --- | --: | --- | --: |",
                *(_row(campaign, totals.get(name, "not run")) for name, campaign in campaigns.items()),
            ]
        ),
    ]
    faults = [
        f"- {name}: {fault}"
        for name, of in totals.items()
        if isinstance(of, Totals)
        for fault in of.faults[:FAULTS_SHOWN]
    ]
    if faults:
        lines += ["Faults found:", "\n".join(_cell(fault) for fault in faults)]
    return "\n\n".join(lines)


def _row(campaign: Campaign, of: Totals | str) -> str:
    if isinstance(of, str):
        return f"| {campaign.title} | 0 {campaign.unit} | {_cell(of)} | | | |"
    count = f"{of.cases:,} {campaign.unit}"
    if campaign.bound:
        count = f"{of.counts[campaign.bound]:,} {campaign.bound}"
    measured = _cell(campaign.summary(of))
    return f"| {campaign.title} | {count} | {measured} | {of.failed} | {bound(campaign, of)} | {of.seconds:,.0f} |"


def bound(campaign: Campaign, of: Totals) -> str:
    """The 95 % bound of the share of failures; nothing where a share makes no sense, or some failed."""
    count = of.cases if campaign.bound == "" else of.counts[campaign.bound or ""]
    if campaign.bound is None or not count or of.failed:
        return ""
    return f"< {300 / count:.2g} %" if count >= 300 else f"< {300 / count:.1f} %" if count > 3 else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def machine() -> str:
    """The machine and the versions."""
    cpus = (line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line)
    name = next(cpus, "unknown processor").partition(":")[2].strip()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES)
    return f"{name}, {os.cpu_count()} cores, {memory:.0f} GiB; Python {platform.python_version()}, {versions}."


def with_numbers(document: str, numbers: str) -> str:
    """The document with these numbers between its markers. Raises NoPlaceError."""
    if BEGIN not in document or END not in document:
        raise NoPlaceError(f"the document has no {BEGIN} and {END}")
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return between.sub(lambda _: f"{BEGIN}\n\n{numbers}\n\n{END}", document)
