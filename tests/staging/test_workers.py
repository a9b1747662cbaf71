"""Worker processes: where work runs, what it raises, and that a worker ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.staging.workers import spread

PATIENCE_SECONDS = 30
"""Only a failure takes it."""


def pid_and_square(number: int) -> tuple[int, int]:
    return os.getpid(), number * number


def refuse(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number


def test_without_workers_everything_runs_in_this_process_and_in_order() -> None:
    assert list(spread(pid_and_square, [(1,), (2,), (3,)], workers=0)) == [(os.getpid(), n) for n in (1, 4, 9)]


def test_a_busy_worker_leaves_work_to_this_process() -> None:
    found = list(spread(pid_and_square, [(number,) for number in range(200)], workers=1))
    assert sorted(square for _, square in found) == [number * number for number in range(200)]
    pids = {pid for pid, _ in found}
    assert os.getpid() in pids
    assert len(pids) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_what_work_raises_is_raised(workers: int) -> None:
    with pytest.raises(ValueError, match="three"):
        list(spread(refuse, [(number,) for number in range(8)], workers=workers))


PARENT = """
import sys, time
from pipelines.staging.workers import worker_pool
if __name__ == "__main__":
    with worker_pool(1) as pool:
        import os
        print(pool.submit(os.getpid).result(), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(600)
"""


def test_a_worker_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert is_running(worker)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        give_up = time.monotonic() + PATIENCE_SECONDS
        while is_running(worker):
            assert time.monotonic() < give_up, "the worker outlives its parent"


def is_running(pid: int) -> bool:
    try:
        with Path(f"/proc/{pid}/stat").open(encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
