"""One writer at a time, across processes; a lock never outlives its holder."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.errors import WarehouseBusy
from pipelines.storage.home import Home
from pipelines.storage.lock import writer_lock

HOLDER = """
import sys
from pathlib import Path
from pipelines.storage.home import Home
from pipelines.storage.lock import writer_lock
with writer_lock(Home(Path(sys.argv[1])), purpose="run of a test"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held_elsewhere(home: Home) -> Iterator[subprocess.Popen[str]]:
    """The lock held by another process until the block ends, or it is killed."""
    command = [sys.executable, "-c", HOLDER, str(home.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with held_elsewhere(home) as process:
        with pytest.raises(WarehouseBusy) as caught, writer_lock(home, purpose="mine"):
            pytest.fail("two hold the lock")
        assert str(caught.value) == (
            f"process {process.pid} (run of a test) is writing to {tmp_path}: wait until it ends, then run again"
        )
        assert caught.value.exit_status == 75


def test_the_lock_dies_with_its_holder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with held_elsewhere(home) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        with writer_lock(home, purpose="mine"):
            assert home.lock_file.read_text() == f"process {os.getpid()} (mine)"


def test_the_lock_is_given_back(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for fault in (None, ZeroDivisionError()):
        with contextlib.suppress(ZeroDivisionError), writer_lock(home, purpose="mine"):
            if fault:
                raise fault
    with writer_lock(home, purpose="again"):
        pass


def test_a_second_run_in_this_process_waits_its_turn_too(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with (
        writer_lock(home, purpose="first"),
        pytest.raises(WarehouseBusy, match=rf"process {os.getpid()} \(first\)"),
        writer_lock(home, purpose="second"),
    ):
        pytest.fail("two hold the lock")


def test_a_lock_file_left_behind_is_no_lock(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.lock_file.parent.mkdir(parents=True)
    home.lock_file.write_text("process 1 (long gone, and with a longer name than ours)")
    with writer_lock(home, purpose="mine"):
        assert home.lock_file.read_text() == f"process {os.getpid()} (mine)"


def test_homes_do_not_share_a_lock(tmp_path: Path) -> None:
    with writer_lock(Home(tmp_path / "a"), purpose="a"), writer_lock(Home(tmp_path / "b"), purpose="b"):
        pass
