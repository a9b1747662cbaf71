"""Cores and memory that this process may use, within the limits of its container.

`os.cpu_count()` returns the host's cores and ignores CPU affinity and cgroup quotas.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from pipelines.settings import setting

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
"""The cgroups of this process, one hierarchy a line: `number:controllers:path`; `0::path` with cgroup v2."""

BYTES_PER_WORKER = 384 * 1024 * 1024
"""Peak memory of a worker process; the process that feeds the workers needs the same. See `workers_for`."""


def cores(*, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int:
    """Cores to use: MILESTONES_THREADS, or what CPU affinity and the quotas of cgroup v1 or v2 allow. At least 1.

    Raises WrongSetting.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [math.ceil(quota) for quota in _cpu_quotas(cgroups, membership)]
    threads: int | None = setting("threads")
    return threads or max(1, min([allowed, *quotas]))


def memory_limit(*, cgroups: Path = CGROUPS, membership: Path = MEMBERSHIP) -> int | None:
    """Memory limit in bytes of this process's cgroup (v1 or v2), shared by the whole group; None without a limit."""
    limits = [
        limit
        for group in _groups(cgroups, membership, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (limit := _number(_words(group / name), 0)) is not None
    ]
    # cgroup v1 spells "no limit" as a number that no machine reaches.
    return min((limit for limit in limits if limit < 1 << 60), default=None)


def workers_for(cores: int, memory: int | None, *, at_most: int) -> int:
    """Worker processes to start: one core and BYTES_PER_WORKER each, and the same kept for this process.

    In a small container there are none and this process does the work: slower, but the kernel does not kill it.
    """
    by_memory = at_most if memory is None else memory // BYTES_PER_WORKER - 1
    return max(0, min(cores - 1, by_memory, at_most))


def _cpu_quotas(cgroups: Path, membership: Path) -> Iterator[float]:
    """Cores that the CPU quota of each group allows, as fractions."""
    for group in _groups(cgroups, membership, "cpu"):
        words = _words(group / "cpu.max")
        quota, period = _number(words, 0), _number(words, 1)
        if not words:
            quota = _number(_words(group / "cpu.cfs_quota_us"), 0)
            period = _number(_words(group / "cpu.cfs_period_us"), 0)
        if quota and period:
            yield quota / period


def _groups(cgroups: Path, membership: Path, controller: str) -> Iterator[Path]:
    """Folders of the groups that limit this process: its own group and all parents, in cgroup v1 and v2."""
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
        # cgroup v1 reports the host's path, though a container sees its own group as the root.
        yield from (root / part for part in (group, *group.parents))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _number(words: list[str], index: int) -> int | None:
    """The number at an index; None for "max", for -1 and beyond the end."""
    return int(words[index]) if len(words) > index and words[index].isdecimal() else None
