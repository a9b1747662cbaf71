"""What a process and everything that it starts cost: wall and CPU seconds, and memory at their peak. Linux only."""

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
_SESSION = 3
"""Place of the session among what follows the name in /proc/PID/stat."""


@dataclass(frozen=True)
class Cost:
    """Of a process and all its descendants: seconds, CPU seconds, MB (of 2^20 bytes) that they held at once.

    `is_whole` is False of one that was killed before its end: it would have cost more.
    """

    wall: float
    cpu: float
    peak_mb: float
    is_whole: bool = True


class CommandFailed(SystemExit):
    """A measured command ended badly; `status` is what subprocess calls its return code, `cost` what it cost so far."""

    def __init__(self, command: Sequence[str], status: int, said: str, cost: Cost) -> None:
        super().__init__(f"{' '.join(command)} ended with {status}: {said[-2_000:]}")
        self.status = status
        self.cost = cost


def measure(command: Sequence[str], environment: Mapping[str, str], *, seconds: float | None = None) -> Cost:
    """One command, from start to exit. Raises CommandFailed, also where it has not ended after so many seconds."""
    begun = time.perf_counter()
    # A session of its own: whatever the command starts, by whatever way, stays in it.
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
    assert process.stderr is not None  # noqa: S101 - for the type checker; PIPE was asked for
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    ended.set()
    limit.cancel()
    watching.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    cost = Cost(wall, usage.ru_utime + usage.ru_stime, peak.bytes / MIB, is_whole=not process.returncode)
    if process.returncode:
        raise CommandFailed(command, process.returncode, said.decode(), cost)
    return cost


class _Peak:
    """The most memory that a session's processes held at once, pages that several share counted once."""

    def __init__(self, session: int) -> None:
        self._session = str(session)
        self.bytes = 0

    def watch(self, ended: threading.Event) -> None:
        while not ended.wait(SAMPLE_SECONDS):
            members = list(self._members())
            # Resident pages are cheap to ask for, and never less than the proportional share, which is not.
            if sum(map(_resident, members)) > self.bytes:
                self.bytes = max(self.bytes, sum(map(_proportional, members)))

    def _members(self) -> Iterator[Path]:
        for process in PROC.iterdir():
            if process.name.isdigit():
                fields = _text(process / "stat").rpartition(")")[2].split()
                if fields and fields[_SESSION] == self._session:
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
    """A file of /proc; nothing where the process has ended."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
