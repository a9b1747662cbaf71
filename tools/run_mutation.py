"""Runs mutmut on the safety core and records what survives. Runs in mutmut's environment: `make mutation`.

A run that is interrupted resumes: mutants that were run are not run again, unless their function changed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from collections.abc import Collection, Iterator
from itertools import groupby
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

from tools.mutation import (
    DOCUMENT,
    FILE,
    PACKAGES,
    PROJECT,
    Mutation,
    Score,
    Survivor,
    module_of,
    own_tests,
    package_of,
    read,
    with_equivalents,
    with_reasons,
    with_section,
    written,
)

STATS = PROJECT / "mutants" / "mutmut-stats.json"
FIRST = "pipelines.records.decode.x_is_json__mutmut_1"
"""A mutant that few tests reach: mutmut makes all mutants, and measures which tests reach which function, before it."""

SEED = 22
NOT_RUN = "not checked", "check was interrupted by user"
UNDETECTED = "survived", "no tests"


def main() -> int:
    """Run the mutants that are pending, then write the scores; 1 if a survivor has no reason."""
    options = _options()
    os.chdir(PROJECT)
    _mutmut(options.jobs, [FIRST])
    _keep_own_tests()
    packages = options.packages or PACKAGES
    for package in packages:
        statuses = {name: status for name, (status, _) in _mutants().items() if package_of(name) == package}
        wanted = (*NOT_RUN, *UNDETECTED) if options.again else NOT_RUN
        names = [name for name in _sampled(sorted(statuses), options.sample) if statuses[name] in wanted]
        for module, of_module in groupby(sorted(names), module_of):
            print(f"{module}: {len(run := list(of_module)):,} mutants to run", flush=True)
            # In a run of its own: the fixtures of a test file are made once, as mutmut mixes the tests of all.
            _mutmut(options.jobs, run)
    return _record(packages)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutation", description=__doc__)
    parser.add_argument("packages", nargs="*", metavar="PACKAGE", help=f"of {', '.join(PACKAGES)}; all by default")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="mutants to run at a time")
    parser.add_argument("--sample", type=int, help="run at most this many mutants of each package, a fixed choice")
    parser.add_argument("--again", action="store_true", help="run the survivors again: a test has changed")
    options = parser.parse_args()
    if unknown := sorted(set(options.packages) - set(PACKAGES)):
        parser.error(f"{', '.join(unknown)} is no package of the core, which has {', '.join(PACKAGES)}")
    return options


def _mutmut(jobs: int, names: list[str]) -> None:
    """Run these mutants. mutmut runs a mutant that is named whether it was run before or not."""
    command = [str(Path(sys.executable).with_name("mutmut")), "run", "--max-children", str(jobs), *names]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - ours
        raise SystemExit("make mutation: mutmut failed, see above: the tests must pass before mutants are run")


def _keep_own_tests() -> None:
    """Let the mutants of a module be run by its own tests: those of others take up to a hundred times as long."""
    stats = json.loads(STATS.read_text(encoding="utf-8"))
    reached_by = "tests_by_mangled_function_name"
    stats[reached_by] = own_tests(stats[reached_by], stats["duration_by_test"])
    STATS.write_text(json.dumps(stats), encoding="utf-8")


def _sampled(names: list[str], size: int | None) -> list[str]:
    if size is None:
        return names
    # A larger sample contains each smaller one, so that what was run counts.
    return random.Random(SEED).sample(names, len(names))[:size]  # noqa: S311 - a choice that anyone can repeat


def _mutants() -> dict[str, tuple[str, Path]]:
    """The status and the source of every mutant."""
    found: dict[str, tuple[str, Path]] = {}
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        found |= {name: (status_by_exit_code[code], path) for name, code in data.exit_code_by_key.items()}
    return found


def _record(packages: Collection[str]) -> int:
    """Write the scores and survivors of these packages, next to what is recorded of the others."""
    recorded = read(FILE.read_text(encoding="utf-8")) if FILE.exists() else Mutation({}, ())
    mutants = {name: found for name, found in _mutants().items() if package_of(name) in packages}
    scores = dict(recorded.scores)
    for package in packages:
        scores[package] = _score([status for name, (status, _) in mutants.items() if package_of(name) == package])
    undetected = [_survivor(name, path) for name, (status, path) in mutants.items() if status in UNDETECTED]
    others = [one for one in recorded.survivors if package_of(one.function) not in packages]
    survivors = with_reasons([*undetected, *others], recorded.survivors)
    in_order = {package: scores[package] for package in PACKAGES if package in scores}
    mutation = Mutation(with_equivalents(in_order, survivors), survivors)
    FILE.write_text(written(mutation), encoding="utf-8")
    DOCUMENT.write_text(with_section(DOCUMENT.read_text(encoding="utf-8"), mutation), encoding="utf-8")
    for package, score in (*mutation.scores.items(), ("all", mutation.total)):
        faults = score.run - score.equivalent
        print(f"{package}: {score.detected:,} of {faults:,} faults detected, {score.percent:.1f} %")
    for survivor in (unexplained := mutation.without_reason()):
        print(f"{survivor.function}: {survivor.was} -> {survivor.now}", file=sys.stderr)
    if unexplained:
        print(f"make mutation: {len(unexplained)} survivors need a test, or a reason in {FILE}", file=sys.stderr)
    return 1 if unexplained else 0


def _score(statuses: list[str]) -> Score:
    run = [status for status in statuses if status not in NOT_RUN]
    return Score(len(statuses), len(run), sum(status not in UNDETECTED for status in run))


def _survivor(name: str, path: Path) -> Survivor:
    function, class_name = orig_function_and_class_names_from_key(name)
    module = str(path.with_suffix("")).replace(os.sep, ".")
    lines = list(_changed(get_diff_for_mutant(name, path=path)))
    was, now = ("\n".join(line[1:].strip() for line in lines if line[0] == sign) for sign in "-+")
    return Survivor(".".join(filter(None, (module, class_name, function))), was, now)


def _changed(diff: str) -> Iterator[str]:
    """The lines of a diff that it removes or adds."""
    return (line for line in diff.splitlines() if line.startswith(("-", "+")) and line[:3] not in ("---", "+++"))


if __name__ == "__main__":
    sys.exit(main())
