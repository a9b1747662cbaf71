"""A second process that takes part of the work: fed through its standard input, heard at its end.

One module is its program, a folder of its own is where it writes: what it made counts only once its feeder has taken
it over, so that a helper that outlives a killed run can do no harm. It ends on its own when its feeder is gone.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Self

from pipelines.storage.temporary import WORKER_PREFIX

END = b"end\n"
"""Said at the end of all input: without it the feeder has died, and what was made is of no use."""


class HelperFailed(RuntimeError):
    """A helping process ended badly; `str()` says how."""


class Helper:
    """One helping process, stopped at the end of the `with` block whatever it is doing."""

    def __init__(self, module: str, folder: Path, *arguments: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix=WORKER_PREFIX, dir=folder))
        # Its last words go to a file: a pipe that nobody reads could fill and stop it.
        self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the helper
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", module, str(self.folder), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def stdin(self) -> IO[bytes]:
        """Where it is fed; blocks while it is busy. Writing raises BrokenPipeError once it has died."""
        assert self._process.stdin is not None  # noqa: S101 - PIPE was asked for
        return self._process.stdin

    def result(self) -> bytes:
        """Say that all has been said, wait, and hear what it answers. Raises HelperFailed."""
        try:
            self.stdin.write(END)
            answer, _ = self._process.communicate()
        except BrokenPipeError:
            answer = b""
        if self._process.wait() != 0:
            raise HelperFailed(f"a helping process ended with {self._process.returncode}: {self._last_words()}")
        return answer

    def stop(self) -> None:
        """End it, and remove what it made unless that was taken over."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._complaints):
            # Closing flushes, and there may be nobody to read.
            with contextlib.suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _last_words(self) -> str:
        self._complaints.seek(0)
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def help_with(work: Callable[[IO[bytes], Path, list[str]], bytes]) -> None:
    """The main function of a helping process: `work` reads its input to the end and gives the answer."""
    # It lives for seconds and makes millions of short-lived rows without a cycle among them.
    gc.disable()
    # Ctrl-C reaches every process of a terminal; the feeder decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder, *arguments = sys.argv[1:]
    answer = work(sys.stdin.buffer, Path(folder), arguments)
    if sys.stdin.buffer.read() != END:
        shutil.rmtree(folder, ignore_errors=True)
        sys.exit("its feeder is gone")
    sys.stdout.buffer.write(answer)
    sys.stdout.buffer.flush()
    # Taking down what it has loaded takes a tenth of a second, for which its feeder would wait.
    os._exit(0)
