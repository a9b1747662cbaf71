"""Sweeps that are killed, or whose disk fails, at any system call that writes; and what the next sweep makes of it.

The stages run in a child process on a small home, and strace injects the fault at the Nth call of a kind, counted for
each thread. How states are compared is in `bench.crash`, which kills whole commands.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import msgspec

from bench.crash import COMMANDS, Bench, Command, Found, compare_leftovers, prepared_small
from pipelines.storage.home import Home
from tests.hard.campaign import Campaign, Case, Judge, Totals, drawn
from tests.hard.zygote import CRASHED, FAILED, Sweep

ROWS, CHANGES = 160, 6
CALLS = (
    *("write", "pwrite64", "ftruncate", "fsync", "fdatasync", "copy_file_range", "fallocate"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "rmdir"),
    *("mkdir", "mkdirat", "chmod", "fchmod", "fchmodat"),
)
ERRORS = ("ENOSPC", "EIO")
ATTACH_SECONDS_MAX = 10
SMALLEST_FILE_BYTES = 4_096


def no_strace() -> str | None:
    """Why no fault can be injected here, None if one can."""
    if shutil.which("strace") is None:
        return "strace is not installed (Debian: apt-get install strace)"
    tried = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, text=True, check=False)
    return f"strace may not trace here: {tried.stderr.strip()[:200]}" if tried.returncode else None


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: exit status (negative: a signal), what it wrote on stderr, and how long it ran."""

    status: int
    complaint: str
    seconds: float


@dataclass(frozen=True)
class Fault:
    """What disturbs a sweep: options of strace, a moment to kill it, or a limit of the size of its files.

    `ends` is the exit status that it may lead to, besides 0.
    """

    what: str
    ends: int
    trace: Sequence[str] = ()
    kill_after: float | None = None
    file_bytes: int = 0


UNDISTURBED = Fault("nothing", ends=0)


class Zygote:
    """Runs sweeps in children of `tests.hard.zygote`, with or without a tracer."""

    def __init__(self, folder: Path, base_url: str) -> None:
        self._errors = (folder / "stderr").open("w+", encoding="utf-8")
        self._base_url = base_url
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.hard.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            # One thread makes the order of system calls nearly the same in every run.
            env=os.environ | {"MILESTONES_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._errors.close()

    def sweep(self, home: Home, mode: str, fault: Fault = UNDISTURBED) -> Outcome:
        """Run a sweep with a fault."""
        assert self._process.stdin is not None
        self._errors.seek(0)
        self._errors.truncate()
        order = {"home": str(home.root), "base_url": self._base_url, "mode": mode, "file_bytes": fault.file_bytes}
        self._process.stdin.write(msgspec.json.encode(msgspec.convert(order, Sweep)).decode() + "\n")
        self._process.stdin.flush()
        child = self._number()
        with _traced(child, fault.trace):
            begun = time.perf_counter()
            os.kill(child, signal.SIGCONT)
            if fault.kill_after is not None:
                time.sleep(fault.kill_after)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
            status = self._number()
            seconds = time.perf_counter() - begun
        self._errors.seek(0)
        return Outcome(status, self._errors.read().strip(), seconds)

    def _number(self) -> int:
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())


@contextlib.contextmanager
def _traced(child: int, options: Sequence[str]) -> Iterator[None]:
    if not options:
        yield
        return
    command = ["strace", "-f", "-qq", "-p", str(child), *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        give_up_at = time.monotonic() + ATTACH_SECONDS_MAX
        while "TracerPid:\t0\n" in Path(f"/proc/{child}/status").read_text(encoding="utf-8"):
            if time.monotonic() > give_up_at or tracer.poll() is not None:
                os.kill(child, signal.SIGKILL)
                raise RuntimeError(f"strace did not attach: {tracer.communicate()[1].strip()}")
            time.sleep(0.001)
        yield
        # It ends with its last tracee.
        tracer.communicate(timeout=ATTACH_SECONDS_MAX)


Point = tuple[str, int]
"""A system call and how often it must have been called, in one thread, for the fault to strike."""


class Disturbed:
    """A prepared home and server, the zygote, and the points and the length of sweeps, where faults can strike."""

    def __init__(self, bench: Bench, zygote: Zygote, folder: Path, seed: int, commands: Sequence[Command]) -> None:
        self.bench = bench
        self.zygote = zygote
        self.seed = seed
        self.commands = commands
        self.points: dict[str, list[Point]] = {}
        self.seconds: dict[str, float] = {}
        log = folder / "calls"
        counting = Fault("counted", ends=0, trace=("-e", f"trace={','.join(CALLS)}", "-o", str(log)))
        for command in commands:
            self._undisturbed(command, counting)
            self.points[command.name] = in_turn(_points(log.read_text(encoding="utf-8", errors="replace")), seed)
            # The tracer makes a sweep more than twice as long: moments are drawn from one without.
            self.seconds[command.name] = self._undisturbed(command, UNDISTURBED).seconds

    def _undisturbed(self, command: Command, fault: Fault) -> Outcome:
        home = self.bench.copy("undisturbed")
        outcome = self.zygote.sweep(home, command.modes[0], fault)
        assert outcome.status == 0, outcome.complaint
        shutil.rmtree(home.root)
        return outcome

    def judge(self, number: int, command: Command, fault: Fault) -> Case:
        """Disturb a sweep, compare at once, run the next sweep, compare again."""
        home = self.bench.copy("disturbed")
        outcome = self.zygote.sweep(home, command.modes[0], fault)
        found = Found()
        label = f"{command.name}, {fault.what}"
        # With a success, the published state must be a new one; otherwise the old one or a new one. A retry of records
        # that are still refused leaves the old one in any case.
        self.bench.compare_at_once(home, command, label, found)
        if outcome.status == 0 and command.modes[0] != "retry":
            self.bench.compare_at_the_end(home, command, label, found)
        if self._went_well(home, command, "the sweep after it", found):
            self.bench.compare_at_the_end(home, command, label, found)
            compare_leftovers(
                home, label, found, run_again=lambda: self._went_well(home, command, "the second sweep after it", found)
            )
        shutil.rmtree(home.root)
        faults = [line[:300] for line in (*found.lost[:3], *found.duplicated[:3], *found.unreadable, *found.leftovers)]
        if outcome.status == CRASHED:
            faults.append(f"an error that would print a traceback: {outcome.complaint[-300:]}")
        elif outcome.status not in (0, fault.ends):
            faults.append(f"{fault.what}: ended with {outcome.status}: {outcome.complaint}")
        counts = {
            "lost": len(found.lost),
            "duplicated": len(found.duplicated),
            "unreadable": len(found.unreadable),
            "leftovers": len(found.leftovers),
            "ended by it": int(outcome.status == fault.ends),
            "well": int(outcome.status == 0),
        }
        return Case(number, f"{command.name}, {fault.what.partition(' ')[0]}", faults, counts)

    def _went_well(self, home: Home, command: Command, name: str, found: Found) -> bool:
        """Run a next sweep of a command and record its error, if it has one."""
        ended = self.zygote.sweep(home, command.modes[1])
        if ended.status:
            found.unreadable.append(f"{name} ended with {ended.status}: {ended.complaint}")
        return ended.status == 0


def _points(log: str) -> set[Point]:
    """The points of a traced sweep: for each call, every number up to the most calls of a thread."""
    calls = Counter(re.findall(r"^(\d+) +(\w+)\(", log, re.MULTILINE))
    return {(call, nth) for (_, call), count in calls.items() for nth in range(1, count + 1)}


def in_turn(points: Iterable[Point], seed: int) -> list[Point]:
    """The points in a random order, but a point of each call first, then a second one of each, and so on.

    Four of five points are writes: renames, links and syncs would hardly be met.
    """
    order = sorted(points)
    random.Random(seed).shuffle(order)  # noqa: S311 - an order, not a secret
    ranks = defaultdict[str, Iterator[int]](itertools.count)
    return sorted(order, key=lambda point: next(ranks[point[0]]))


Drawn = Callable[[Disturbed, int], tuple[Command, Fault]]
"""The sweep of a case, by its number, and what disturbs it."""


@contextlib.contextmanager
def _disturbed(fault_of: Drawn, seed: int, commands: Sequence[Command] = COMMANDS) -> Iterator[Judge]:
    """A home with the old state, a server with the new one, and a zygote."""
    with contextlib.ExitStack() as stack:
        bench = stack.enter_context(prepared_small(seed=seed, commands=commands, rows=ROWS, changes=CHANGES))
        zygote = stack.enter_context(Zygote(bench.folder, bench.base_url))
        setting = Disturbed(bench, zygote, bench.folder, seed, commands)
        yield lambda number: setting.judge(number, *fault_of(setting, number))


def _kill(setting: Disturbed, number: int) -> tuple[Command, Fault]:
    """Kill at a system call, or, every other case, at a random moment."""
    draw = drawn(setting.seed, "kill", number)
    # By pairs, so that each command is killed at calls and at moments.
    command = setting.commands[number // 2 % len(setting.commands)]
    if number % 2:
        moment = draw.uniform(0, setting.seconds[command.name])
        return command, Fault(f"moment {moment:.3f} s", ends=-signal.SIGKILL, kill_after=moment)
    points = setting.points[command.name]
    call, nth = points[number // 2 // len(setting.commands) % len(points)]
    trace = _injecting(call, f"signal=SIGKILL:when={nth}")
    return command, Fault(f"{call} {nth}", ends=-signal.SIGKILL, trace=trace)


def _disk_fault(setting: Disturbed, number: int) -> tuple[Command, Fault]:
    """Fail a system call once or from then on, or, every tenth case, let no file grow beyond a size."""
    draw = drawn(setting.seed, "disk", number)
    command = setting.commands[number % len(setting.commands)]
    if number % 10 == 9:
        largest = max(path.stat().st_size for path in setting.bench.old_home.root.rglob("*") if path.is_file())
        size = int(SMALLEST_FILE_BYTES * (largest / SMALLEST_FILE_BYTES) ** draw.random())
        return command, Fault(f"full at {size} bytes a file", ends=FAILED, file_bytes=size)
    points = setting.points[command.name]
    call, nth = points[number // len(setting.commands) % len(points)]
    error, lasts = draw.choice(ERRORS), draw.choice(("", "+"))
    trace = _injecting(call, f"error={error}:when={nth}{lasts}")
    return command, Fault(f"{error}{lasts} of {call} {nth}", ends=FAILED, trace=trace)


def _injecting(call: str, what: str) -> list[str]:
    return ["-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={call}:{what}"]


kills = functools.partial(_disturbed, _kill)
disk_faults = functools.partial(_disturbed, _disk_fault)


def _summary_of_kills(totals: Totals) -> str:
    counts = totals.counts
    return (
        f"{counts['lost']} rows lost, {counts['duplicated']} duplicated, {counts['unreadable']} unreadable states, "
        f"{counts['leftovers']} files left; {counts['ended by it']:,} sweeps were killed, the others ended before"
    )


def _summary_of_disk_faults(totals: Totals) -> str:
    counts = totals.counts
    return (
        f"{totals.failed} sweeps that ended well without their data, or left damage; {counts['ended by it']:,} ended "
        f"with an error and the old or the new state, {counts['well']:,} with their data in spite of it"
    )


# A thousand faults together, which is what fits into an hour.
KILLS = Campaign(
    name="kills",
    title="1. kill -9 at system calls and at random moments",
    unit="kills",
    cases=700,
    fewest=8,
    prepared=kills,
    summary=_summary_of_kills,
    missing=no_strace,
)
DISK_FAULTS = Campaign(
    name="disk",
    title="2. ENOSPC and EIO of one system call, or from it on; files of limited size",
    unit="faults",
    cases=300,
    fewest=10,
    prepared=disk_faults,
    summary=_summary_of_disk_faults,
    missing=no_strace,
)
