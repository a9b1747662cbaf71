"""Runs the campaigns and writes their results into docs/reliability.md: `make test-hard`, or `python -m tests.hard`.

A run that was interrupted resumes: cases with a result, of the same seed and the same code, are not run again.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pipelines.storage.durable import write_durably
from tests.conftest import PROJECT
from tests.hard.campaign import Campaign, Totals
from tests.hard.campaigns import CAMPAIGNS
from tests.hard.report import table, with_numbers
from tests.hard.results import Head, Results, fingerprint

FOLDER = PROJECT / "build" / "hard"
DOCUMENT = PROJECT / "docs" / "reliability.md"
WORKERS = 2
INTERRUPTED = 130


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.hard", description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the cases to run, such as 0.05")
    parser.add_argument("--only", action="append", choices=CAMPAIGNS, default=[], help="a campaign; repeatable")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=WORKERS, help="processes that share the cases")
    parser.add_argument("--fresh", action="store_true", help="run again what has a result")
    return parser.parse_args(given)


def run(campaign: Campaign, results: Results, options: argparse.Namespace) -> Totals:
    """Run the cases that have no result, in worker processes. An interruption ends them as well."""
    cases = campaign.scaled(options.scale)
    workers = 1 if campaign.alone else max(1, min(options.workers, cases))
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.hard.worker", campaign.name, str(options.seed), str(cases)),
                *(str(index), str(workers), str(FOLDER)),
            ]
        )
        for index in range(workers)
    ]
    try:
        statuses = [process.wait() for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if any(statuses):
        raise SystemExit(f"{campaign.name}: a worker ended with {max(statuses, key=abs)}; run again to resume")
    return Totals.of(results.cases())


def main() -> int:
    """Run, report, write; 1 if a case failed."""
    options = arguments()
    # A stop by SIGTERM ends the workers as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    head = Head(options.seed, fingerprint())
    totals = known(FOLDER, head)
    print(f"seed {options.seed}, scale {options.scale:g}; results in {FOLDER.relative_to(PROJECT)}", flush=True)
    for name, campaign in CAMPAIGNS.items():
        if options.only and name not in options.only:
            continue
        try:
            totals[name] = run_or_skip(campaign, head, options)
        except KeyboardInterrupt:
            print(f"{name}: interrupted; run again to resume", flush=True)
            return INTERRUPTED
        write(table(CAMPAIGNS, totals, seed=options.seed, now=datetime.now(UTC)))
    return int(any(isinstance(of, Totals) and of.failed for of in totals.values()))


def known(folder: Path, head: Head) -> dict[str, Totals | str]:
    """What earlier runs of the same code found."""
    found = {name: Totals.of(Results(folder / f"{name}.jsonl").kept(head)) for name in CAMPAIGNS}
    return {name: of for name, of in found.items() if of.cases}


def run_or_skip(campaign: Campaign, head: Head, options: argparse.Namespace) -> Totals | str:
    """Run a campaign and print how it went; why not, where the machine lacks something."""
    if why := campaign.missing():
        print(f"{campaign.name}: skipped: {why}", flush=True)
        return f"skipped: {why}"
    results = Results(FOLDER / f"{campaign.name}.jsonl")
    kept = results.begin(head, is_fresh=options.fresh)
    begun = time.monotonic()
    of = run(campaign, results, options)
    took = time.monotonic() - begun
    print(f"{campaign.name}: {of.cases} cases, {kept} from before, {of.failed} failed, {took:.0f} s", flush=True)
    for fault in of.faults:
        print(f"- {fault}", flush=True)
    return of


def write(numbers: str, document: Path = DOCUMENT) -> None:
    """Put the numbers between the markers of the document."""
    text = with_numbers(document.read_text(encoding="utf-8"), numbers)
    write_durably(document, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    raise SystemExit(main())
