"""The writer's lock: one holder across processes; it ends with its process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.errors import WarehouseBusy
from pipelines.storage.home import Home
from pipelines.storage.lock import REFRESH, endpoint_lock, holder, inspecting, writer_lock

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
    """Another process holds the lock until the block ends or the process is killed."""
    command = [sys.executable, "-c", HOLDER, str(home.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_gets_the_name_of_the_holder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with held_elsewhere(home) as process:
        with pytest.raises(WarehouseBusy) as caught, writer_lock(home, purpose="mine"):
            pytest.fail("two hold the lock")
        assert str(caught.value) == (
            f"process {process.pid} (run of a test) is writing to {tmp_path}: wait until it ends, then run again"
        )
        assert caught.value.exit_status == 75


def test_inspecting_names_the_holder_and_since_when(tmp_path: Path) -> None:
    home = Home(tmp_path)
    before = datetime.now(UTC) - timedelta(seconds=1)
    with held_elsewhere(home) as process, inspecting(home.lock_file) as found:
        assert found is not None
        assert found.description == f"process {process.pid} (run of a test)"
        assert before < found.since <= datetime.now(UTC)


def test_inspecting_writes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with inspecting(home.lock_file) as found:
        assert found is None
    assert not home.root.exists()
    with writer_lock(home, purpose="first"):
        pass
    with inspecting(home.lock_file) as found:
        assert (found, home.lock_file.read_text()) == (None, f"process {os.getpid()} (first)")


def test_nobody_takes_the_lock_that_is_inspected(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with writer_lock(home, purpose="first"):
        pass
    with inspecting(home.lock_file), pytest.raises(WarehouseBusy), writer_lock(home, purpose="second"):
        pytest.fail("it was taken")


def test_a_killed_process_releases_the_lock(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with held_elsewhere(home) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
        with writer_lock(home, purpose="mine"):
            assert home.lock_file.read_text() == f"process {os.getpid()} (mine)"


def test_the_lock_is_released_after_success_and_failure(tmp_path: Path) -> None:
    home = Home(tmp_path)
    for fault in (None, ZeroDivisionError()):
        with contextlib.suppress(ZeroDivisionError), writer_lock(home, purpose="mine"):
            if fault:
                raise fault
    with writer_lock(home, purpose="again"):
        pass


def test_the_lock_excludes_other_writers_in_this_process(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with (
        writer_lock(home, purpose="first"),
        pytest.raises(WarehouseBusy, match=rf"process {os.getpid()} \(first\)"),
        writer_lock(home, purpose="second"),
    ):
        pytest.fail("two hold the lock")


def test_a_leftover_lock_file_does_not_lock(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.lock_file.parent.mkdir(parents=True)
    home.lock_file.write_text("process 1 (ended, with a longer text than the new one)")
    with writer_lock(home, purpose="mine"):
        assert home.lock_file.read_text() == f"process {os.getpid()} (mine)"


def test_homes_do_not_share_a_lock(tmp_path: Path) -> None:
    with writer_lock(Home(tmp_path / "a"), purpose="a"), writer_lock(Home(tmp_path / "b"), purpose="b"):
        pass


def test_the_holder_is_named_while_the_lock_is_held(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert holder(home) is None
    with writer_lock(home, purpose="mine"):
        assert holder(home) == f"process {os.getpid()} (mine)"
    assert holder(home) is None


def test_a_refresh_of_an_endpoint_is_waited_for_and_is_no_holder(tmp_path: Path) -> None:
    home = Home(tmp_path)
    released = threading.Event()

    def refresh() -> None:
        with writer_lock(home, purpose=f"{REFRESH} targets"):
            held.set()
            released.wait(30)

    held = threading.Event()
    thread = threading.Thread(target=refresh)
    thread.start()
    held.wait(30)
    assert holder(home) is None
    threading.Timer(0.3, released.set).start()
    with writer_lock(home, purpose="a sweep"):
        assert holder(home) is not None
    thread.join()


def test_waiting_for_a_sweep_has_a_limit(tmp_path: Path) -> None:
    home = Home(tmp_path)
    begun = time.monotonic()
    with (
        writer_lock(home, purpose="a sweep"),
        pytest.raises(WarehouseBusy, match="a sweep"),
        writer_lock(home, purpose="another", wait_seconds=0.3),
    ):
        pass
    assert time.monotonic() - begun >= 0.3


def test_each_endpoint_has_a_lock_of_its_own(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with endpoint_lock(home, "targets", purpose="x"), endpoint_lock(home, "events", purpose="y"):
        with pytest.raises(WarehouseBusy), endpoint_lock(home, "targets", purpose="z"):
            pass
        with writer_lock(home, purpose="a sweep"):
            pass
