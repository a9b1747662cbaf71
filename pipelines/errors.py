"""Faults that end a run with one clear line: what happened, to what, what to do."""

from __future__ import annotations


class MilestonesError(Exception):
    """Base of the faults that a user can act on; `str()` is the line to show, `exit_status` the command's."""

    exit_status = 1


class HomeUnusable(MilestonesError):
    """The home folder cannot be written."""


class WarehouseBusy(MilestonesError):
    """Another run holds the warehouse: `holder` says which."""

    exit_status = 75

    def __init__(self, home: str, holder: str) -> None:
        super().__init__(f"{home} is being written by {holder}: wait for it, then run again")
        self.holder = holder


class WarehouseUnusable(MilestonesError):
    """The warehouse file cannot be used as it is."""


class NothingToDo(MilestonesError):
    """A station was asked to work and there is nothing to work on."""


class SweepRefused(MilestonesError):
    """A sweep whose answers cannot be believed."""


class PublishedDiffers(MilestonesError):
    """A published file is not what its manifest says."""


class WrongSetting(MilestonesError):
    """An environment variable with a value that cannot be used."""

    exit_status = 2


class WrongUse(MilestonesError):
    """Options that do not go together, or a value that means nothing."""

    exit_status = 2


class ContractBroken(MilestonesError):
    """Details with fields or kinds that a frozen contract does not allow."""
