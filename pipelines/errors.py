"""Errors that end a run with one line for the user: what happened, to what, and what to do.

Errors of the Kalshi API are in `pipelines.kalshi.errors`.
"""

from __future__ import annotations

import errno
from pathlib import Path


class MilestonesError(Exception):
    """Base of the errors that a user can act on. `str()` is the line to print, `exit_status` that of the command."""

    exit_status = 1


class HomeUnusable(MilestonesError):
    """The home folder cannot be written."""


class DiskFull(HomeUnusable):
    """The disk or the quota of the home folder is full."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"no space left for {home}: free disk space, then run again (published files are intact)")


class WarehouseBusy(MilestonesError):
    """Another process holds the writer's lock; `holder` describes it."""

    exit_status = 75

    def __init__(self, home: str, holder: str) -> None:
        super().__init__(f"{holder} is writing to {home}: wait until it ends, then run again")
        self.holder = holder


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_SPACE_TEXTS = ("no space left on device", "disk quota exceeded", "file too large", "database or disk is full")


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one of its causes, means that the disk is full.

    DuckDB, Arrow and SQLite raise errors without an `errno`, so their messages are searched too.
    """
    # Dagster's exception chains fork and can be cyclic.
    pending, visited = [error], set()
    while pending:
        current = pending.pop()
        if id(current) in visited:
            continue
        visited.add(id(current))
        text = str(current).lower()
        if getattr(current, "errno", None) in _NO_SPACE or any(words in text for words in _NO_SPACE_TEXTS):
            return True
        pending += [link for link in (current.__cause__, current.__context__) if link is not None]
    return False


class WarehouseUnusable(MilestonesError):
    """A DuckDB file cannot be opened or has the wrong schema."""


class WarehouseLost(MilestonesError):
    """The warehouse is missing although tables were published from it: a new one would lose the history silently."""

    def __init__(self, warehouse: Path, published: Path) -> None:
        super().__init__(
            f"there is no warehouse at {warehouse}, yet {published} was published from one: recreate it with "
            "milestones restore, or start without its history with milestones ingest --start-anew"
        )


class NothingToDo(MilestonesError):
    """A command or a stage has no input to work on."""


class ExtraMissing(MilestonesError):
    """A command needs the packages of an extra, and they are not installed."""

    def __init__(self, what: str, extra: str, *, command: str = "make extras") -> None:
        super().__init__(
            f"{what} needs the extra {extra}: run {command} in a checkout, or install the wheel with [{extra}]"
        )


class SweepRefused(MilestonesError):
    """The responses of a sweep are implausible, so it is not loaded."""


class SweepDamaged(MilestonesError):
    """The content of a landed file has changed; the first `good_pages` pages of the sweep are usable."""

    def __init__(self, message: str, *, good_pages: int = 0) -> None:
        super().__init__(message)
        self.good_pages = good_pages


class PublishedDiffers(MilestonesError):
    """A published file does not match its manifest."""


class LakeUnusable(MilestonesError):
    """The lake cannot be read or written: no bucket, refused credentials, no connection, a full disk."""


class LakeObjectMissing(LakeUnusable):
    """An object that should be in the lake is not there."""


class LakeAhead(MilestonesError):
    """The lake was published from another home: publishing there would lose that state."""


class WrongSetting(MilestonesError):
    """An environment variable has an invalid value."""

    exit_status = 2


class WrongUse(MilestonesError):
    """Options that exclude each other, or an option with an invalid value."""

    exit_status = 2


class ContractViolated(MilestonesError):
    """`details` have a field or a kind that a frozen contract does not allow."""
