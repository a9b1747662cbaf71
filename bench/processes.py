"""Measures a process with all its descendants: wall and CPU seconds, peak memory. Linux only."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.1
MIB = 1024 * 1024
PROC = Path("/proc")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
_SESSION, _CPU = 3, slice(11, 13)
"""Indexes of the session, and of user and system time, among the fields after the name in /proc/PID/stat."""


@dataclass(frozen=True)
class Cost:
    """The cost of a process and its descendants: seconds, CPU seconds, peak memory of all together in MB (2^20 bytes).

    `is_whole` is False if it was killed before its end: it would have cost more.
    """

    wall: float
    cpu: float
    peak_mb: float
    is_whole: bool = True


class CommandFailed(SystemExit):
    """A measured command failed; `status` is its return code as in subprocess, `cost` its cost until then."""

    def __init__(self, command: Sequence[str], status: int, said: str, cost: Cost) -> None:
        super().__init__(f"{' '.join(command)} ended with {status}: {said[-2_000:]}")
        self.status = status
        self.cost = cost


def measure(command: Sequence[str], environment: Mapping[str, str], *, seconds: float | None = None) -> Cost:
    """Measure one command from start to exit. Raises CommandFailed, also if it takes longer than `seconds`."""
    begun = time.perf_counter()
    # A new session: all processes that the command starts stay in it.
    process = subprocess.Popen(
        command,
        env=os.environ | dict(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    peak, ended = _Peak(process.pid), threading.Event()
    watching = threading.Thread(target=peak.watch, args=(ended,))
    watching.start()
    limit = threading.Timer(seconds or 0, process.kill)
    if seconds:
        limit.start()
    assert process.stderr is not None  # noqa: S101 - for the type checker: it is a pipe
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    ended.set()
    limit.cancel()
    watching.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    # The system counts only processes that were waited for; Spark's Java outlives the command by a moment.
    cpu = max(usage.ru_utime + usage.ru_stime, peak.cpu_seconds)
    cost = Cost(wall, cpu, peak.bytes / MIB, is_whole=not process.returncode)
    if process.returncode:
        raise CommandFailed(command, process.returncode, said.decode(), cost)
    return cost


class _Peak:
    """The peak memory of a session's processes together, shared pages counted once, and the CPU time of each."""

    def __init__(self, session: int) -> None:
        self._session = str(session)
        self.bytes = 0
        self._ticks: dict[str, int] = {}

    @property
    def cpu_seconds(self) -> float:
        """CPU time of all processes that were seen, until they were last seen."""
        return sum(self._ticks.values()) / _TICKS

    def watch(self, ended: threading.Event) -> None:
        while not ended.wait(SAMPLE_SECONDS):
            members = list(self._members())
            # Resident pages are cheap to read and never less than the proportional share, which is expensive.
            if sum(map(_resident, members)) > self.bytes:
                self.bytes = max(self.bytes, sum(map(_proportional, members)))

    def _members(self) -> Iterator[Path]:
        for process in PROC.iterdir():
            if process.name.isdigit():
                fields = _text(process / "stat").rpartition(")")[2].split()
                if fields and fields[_SESSION] == self._session:
                    self._ticks[process.name] = sum(map(int, fields[_CPU]))
                    yield process


def _resident(process: Path) -> int:
    fields = _text(process / "statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _proportional(process: Path) -> int:
    for line in _text(process / "smaps_rollup").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def _text(file: Path) -> str:
    """A file of /proc; empty if the process has ended."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
