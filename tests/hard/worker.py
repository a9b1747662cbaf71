"""Runs a share of the cases of a campaign: `python -m tests.hard.worker NAME SEED CASES INDEX WORKERS FOLDER`."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from pathlib import Path

from tests.hard.campaign import Campaign, Case, Judge
from tests.hard.campaigns import CAMPAIGNS
from tests.hard.results import Results


def run_share(campaign: Campaign, results: Results, *, seed: int, cases: int, index: int, workers: int) -> None:
    """Run the cases of one worker that have no result yet."""
    done = {case.number for case in results.cases()}
    missing = [number for number in range(index, cases, workers) if number not in done]
    if not missing:
        return
    with campaign.prepared(seed) as judge:
        for number in missing:
            results.add(judged(judge, number))


def judged(judge: Judge, number: int) -> Case:
    """Run a case; an exception is a fault, so that the others are still run."""
    begun = time.perf_counter()
    try:
        case = judge(number)
    except Exception as error:  # noqa: BLE001 - whatever it is, the report shows it
        case = Case(number, "not judged", [f"{type(error).__name__}: {error}"[:500]])
    case.seconds = round(time.perf_counter() - begun, 4)
    return case


def main(name: str, seed: str, cases: str, index: str, workers: str, folder: str) -> None:
    """Run a share with the settings of the tests: no other endpoints, and no output but the results."""
    os.environ["MILESTONES_ENDPOINTS"] = "none"
    logging.getLogger("pipelines").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    results = Results(Path(folder) / f"{name}.jsonl")
    run_share(CAMPAIGNS[name], results, seed=int(seed), cases=int(cases), index=int(index), workers=int(workers))


if __name__ == "__main__":
    main(*sys.argv[1:])
