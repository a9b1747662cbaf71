"""How much of the machine this process may use: the cores and the memory that a container leaves it.

`os.cpu_count()` is the host's number, whatever affinity or a container's quota allow.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from pipelines.settings import setting

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
"""Which group the process is in, a line a hierarchy: `number:controllers:path`; `0::path` with cgroup v2."""

BYTES_PER_WORKER = 384 * 1024 * 1024
"""What a worker process holds at its peak, beside as much for the process that feeds it; see `workers_for`."""


def cores(*, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Cores to use: MILESTONES_THREADS, or what affinity and the CPU quota of cgroup v1 or v2 leave. At least 1.

    Raises WrongSetting.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _cpu_quotas(cgroups, membership)]
    threads: int | None = setting("threads")
    return threads or max(1, min([allowed, *quotas]))


def memory_limit(*, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Bytes that cgroup v1 or v2 leaves this process and what runs beside it in its group; None without a limit."""
    limits = [
        limit
        for group in _groups(cgroups, membership, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := _number(_words(group / name), 0)) is not None
    ]
    # Version 1 has no word for "no limit" but a number that no machine reaches.
    return min((limit for limit in limits if limit < 1 << 60), default=None)


def workers_for(cores: int, memory: int | None, *, at_most: int) -> int:
    """Worker processes to start beside this one: one core and BYTES_PER_WORKER each, as much kept for this one.

    A small container gets none, and flattens in this process: slower, not killed.
    """
    by_memory = at_most if memory is None else memory // BYTES_PER_WORKER - 1
    return max(0, min(cores - 1, by_memory, at_most))


def _cpu_quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    """Cores that the quotas of all groups allow, in fractions."""
    for group in _groups(cgroups, membership, "cpu"):
        both = _words(group / "cpu.max")
        quota, period = _number(both, 0), _number(both, 1)
        if not both:
            quota = _number(_words(group / "cpu.cfs_quota_us"), 0)
            period = _number(_words(group / "cpu.cfs_period_us"), 0)
        if quota and period:
            yield quota / period


def _groups(cgroups: Path, membership: Path, controller: str) -> Iterator[Path]:
    """The folders of the groups that limit this process: its own and all above it, in both versions."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        # Not Linux.
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root = cgroups / controllers if controllers else cgroups
        if controllers and not root.is_dir():
            root = cgroups / controller
        group = Path(path.lstrip("/"))
        # A container sees its own group as the root, though version 1 tells the path that the host knows.
        yield from (root / part for part in (group, *group.parents))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _number(words: list[str], place: int) -> int | None:
    """The number that stands there; None for "max", for -1, and where there is none."""
    return int(words[place]) if len(words) > place and words[place].isdecimal() else None
