"""A disk that fails at the Nth sync or rename of a sweep and its publish, once or from then on, for growing N."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import MilestonesError
from pipelines.publish.manifest import verify
from pipelines.storage.durable import TEMPORARY_SUFFIX
from pipelines.storage.leftovers import writer_session
from tests.support import Shell, Shells, milestone, milestone_id, rows_of, tree

pytestmark = pytest.mark.slow

EVERY = 13
"""Which calls fail: one in so many. With 1 each of the about 75 calls fails once, which takes four minutes."""


class Disk:
    """Fails the calls of our process that sync or rename; `calls` counts them."""

    def __init__(self, fails_at: int, code: int, *, lasts: bool) -> None:
        self._fails_at = fails_at
        self._error = OSError(code, os.strerror(code))
        self._lasts = lasts
        self.calls = 0

    def failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self.calls += 1
            if self.calls == self._fails_at or (self._lasts and self.calls > self._fails_at):
                raise self._error
            return call(*arguments, **options)

        return wrapped

    @property
    def has_failed(self) -> bool:
        return self.calls >= self._fails_at


@contextmanager
def disk(fails_at: int, code: int, *, lasts: bool) -> Iterator[Disk]:
    made = Disk(fails_at, code, lasts=lasts)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "rename", "replace"):
            patch.setattr(os, name, made.failing(getattr(os, name)))
        yield made


def sweep_and_publish(shell: Shell) -> None:
    with writer_session(shell.home, purpose="test"):
        shell.sweep(mode="full")
        shell.stages.publish()


def published_title(shell: Shell) -> str:
    ((title,),) = rows_of(
        shell.home.published_duckdb, f"SELECT title FROM milestones WHERE milestone_id = '{milestone_id(1)}'"
    )
    return str(title)


@pytest.mark.parametrize(
    ("code", "lasts", "first"),
    [(errno.EIO, False, 1), (errno.ENOSPC, True, 7)],
    ids=["EIO once", "ENOSPC from then on"],
)
def test_a_sweep_ends_with_its_data_or_with_an_error_and_the_old_data(
    shells: Shells, tmp_path: Path, code: int, lasts: bool, first: int
) -> None:
    shell = shells(tmp_path, [milestone(number) for number in range(1, 9)])
    sweep_and_publish(shell)
    old = published_title(shell)
    failed = 0
    for number in itertools.count(first, EVERY):
        shell.clock.forward(hours=1)
        new = f"changed before fault {number}"
        shell.world.edit_title(milestone_id(1), new)
        fault: Exception | None = None
        with disk(number, code, lasts=lasts) as failing:
            try:
                sweep_and_publish(shell)
            except (OSError, MilestonesError) as error:
                fault = error
        assert fault is None or failing.has_failed, fault
        # After the rename of the published file, a failed run has published its data.
        assert published_title(shell) in ({new} if fault is None else {old, new}), "it ended well without its data"
        failed += fault is not None
        assert verify(shell.home).differences == []
        old = published_title(shell)
        if not failing.has_failed:
            break
    assert failed > 50 // EVERY
    assert [one for one in tree(shell.home.root) if one.endswith(TEMPORARY_SUFFIX)] == []
    assert shell.rows("SELECT count(*) FROM milestone_versions WHERE is_current") == [(8,)]
