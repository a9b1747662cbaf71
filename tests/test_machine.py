"""Cores, memory and workers within the limits of a container: cgroup v1 and v2 trees in a temporary folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipelines import machine
from pipelines.errors import WrongSetting

HOST_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
V1 = "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"
GIB = 1 << 30


@pytest.fixture(autouse=True)
def _no_threads_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MILESTONES_THREADS", raising=False)


def groups(folder: Path, membership: str, files: dict[str, str]) -> dict[str, Path]:
    """Write a membership file and a cgroup tree; the keyword arguments that point to them."""
    for name, text in files.items():
        (folder / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup" / name).write_text(text)
    (folder / "membership").write_text(membership)
    return {"cgroups": folder / "cgroup", "membership": folder / "membership"}


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {}, HOST_CORES),
        ("0::/\n", {"cpu.max": "max 100000\n"}, HOST_CORES),
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, HOST_CORES),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "100000 100000\n"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "100000 100000\n", "a/cpu.max": "max 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "\n"}, HOST_CORES),
        ("0::/\n", {"cpu.max": "100000\n"}, HOST_CORES),
        ("0::/\n", {"cpu.max": "x 0\n"}, HOST_CORES),
        (
            V1,
            {"cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "100000", "cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000"},
            1,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, HOST_CORES),
        ("", {}, HOST_CORES),
    ],
    ids=[
        *("v2 without a quota", "v2 max", "v2 one core", "v2 half a core", "v2 more cores than the host"),
        *("v2 parent group", "v2 own group", "v2 empty", "v2 without a period", "v2 not a number"),
        *("v1 by path", "v1 in a container", "v1 without a quota", "no group"),
    ],
)
def test_cores_within_a_quota(tmp_path: Path, membership: str, files: dict[str, str], cores: int) -> None:
    assert machine.cores(**groups(tmp_path, membership, files)) == cores


@pytest.mark.skipif(HOST_CORES < 2, reason="needs two cores")
def test_a_quota_is_rounded_up(tmp_path: Path) -> None:
    assert machine.cores(**groups(tmp_path, "0::/\n", {"cpu.max": "150000 100000"})) == 2


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs CPU affinity")
def test_affinity_limits_the_cores(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert machine.cores(**groups(tmp_path, "", {})) == 1
    finally:
        os.sched_setaffinity(0, before)


def test_no_cgroups_means_no_limits(tmp_path: Path) -> None:
    nowhere = {"cgroups": tmp_path / "none", "membership": tmp_path / "none"}
    assert machine.cores(**nowhere) == HOST_CORES
    assert machine.memory_limit(**nowhere) is None


@pytest.mark.parametrize(
    ("membership", "files", "limit"),
    [
        ("0::/\n", {"memory.max": f"{GIB}\n"}, GIB),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/a\n", {"a/memory.max": f"{2 * GIB}\n", "memory.max": f"{GIB}\n"}, GIB),
        (V1, {"memory/docker/abc/memory.limit_in_bytes": f"{GIB}\n"}, GIB),
        (V1, {"memory/memory.limit_in_bytes": f"{GIB}\n"}, GIB),
        (V1, {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        (V1, {"cpu,cpuacct/memory.limit_in_bytes": f"{GIB}\n"}, None),
    ],
    ids=["v2", "v2 max", "v2 parent group", "v1 by path", "v1 in a container", "v1 no limit", "v1 other controller"],
)
def test_the_memory_limit(tmp_path: Path, membership: str, files: dict[str, str], limit: int | None) -> None:
    assert machine.memory_limit(**groups(tmp_path, membership, files)) == limit


def test_milestones_threads_overrides_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = groups(tmp_path, "0::/\n", {"cpu.max": "100000 100000\n"})
    monkeypatch.setenv("MILESTONES_THREADS", "3")
    assert machine.cores(**limits) == 3
    for wrong in ("0", "-1", "two", "1.5"):
        monkeypatch.setenv("MILESTONES_THREADS", wrong)
        with pytest.raises(WrongSetting, match=f"MILESTONES_THREADS is '{wrong}': give a whole number, 1 or more"):
            machine.cores(**limits)


def test_the_limits_of_this_machine() -> None:
    assert 1 <= machine.cores() <= HOST_CORES
    assert (machine.memory_limit() or 1) > 0


@pytest.mark.parametrize(
    ("cores", "memory", "workers"),
    [
        (8, None, 4),
        (3, None, 2),
        (1, None, 0),
        (8, 4 * machine.BYTES_PER_WORKER, 3),
        (8, 2 * machine.BYTES_PER_WORKER - 1, 0),
        (8, 0, 0),
        (8, 100 * GIB, 4),
    ],
    ids=["maximum", "cores", "one core", "memory", "memory for one process", "no memory", "much memory"],
)
def test_workers(cores: int, memory: int | None, workers: int) -> None:
    assert machine.workers_for(cores, memory, at_most=4) == workers
