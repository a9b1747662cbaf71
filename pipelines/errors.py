"""Faults that end a run with one clear line: what happened, to what, what to do."""

from __future__ import annotations

import errno
from pathlib import Path


class MilestonesError(Exception):
    """Base of the faults that a user can act on; `str()` is the line to show, `exit_status` the command's."""

    exit_status = 1


class HomeUnusable(MilestonesError):
    """The home folder cannot be written."""


class DiskFull(HomeUnusable):
    """There is no room below the home folder."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"no space is left for {home}: make room, then run again; what is published is whole")


class WarehouseBusy(MilestonesError):
    """Another run holds the warehouse: `holder` says which."""

    exit_status = 75

    def __init__(self, home: str, holder: str) -> None:
        super().__init__(f"{home} is being written by {holder}: wait for it, then run again")
        self.holder = holder


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_SPACE_TEXTS = ("no space left on device", "disk quota exceeded", "file too large", "database or disk is full")


def is_disk_full(error: BaseException) -> bool:
    """Whether an error, or one that led to it, is for want of room: DuckDB and SQLite tell in words only."""
    # Dagster's chains of exceptions fork and can be rings.
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        text = str(one).lower()
        if getattr(one, "errno", None) in _NO_SPACE or any(words in text for words in _NO_SPACE_TEXTS):
            return True
        waiting += [link for link in (one.__cause__, one.__context__) if link is not None]
    return False


class WarehouseUnusable(MilestonesError):
    """The warehouse file cannot be used as it is."""


class WarehouseLost(MilestonesError):
    """There is no warehouse where something is published: its history would be lost in silence."""

    def __init__(self, warehouse: Path, published: Path) -> None:
        super().__init__(
            f"there is no warehouse at {warehouse}, yet {published} was published from one: make it again with "
            "milestones restore, or start anew without its history with milestones ingest --start-anew"
        )


class NothingToDo(MilestonesError):
    """A stage was asked to work and there is nothing to work on."""


class SweepRefused(MilestonesError):
    """A sweep whose answers cannot be believed."""


class SweepDamaged(MilestonesError):
    """A landed file is not what was written; the first `good_pages` pages of the sweep can be used."""

    def __init__(self, message: str, *, good_pages: int = 0) -> None:
        super().__init__(message)
        self.good_pages = good_pages


class PublishedDiffers(MilestonesError):
    """A published file is not what its manifest says."""


class WrongSetting(MilestonesError):
    """An environment variable with a value that cannot be used."""

    exit_status = 2


class WrongUse(MilestonesError):
    """Options that do not go together, or a value that means nothing."""

    exit_status = 2


class ContractViolated(MilestonesError):
    """Details with fields or kinds that a frozen contract does not allow."""
