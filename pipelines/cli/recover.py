"""The commands for damage and backups: `verify`, `restore`, `backup`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter
from rich.console import Console

from pipelines.cli.app import EXIT_FAILED, FLAG, app, print_error
from pipelines.storage.home import Home, expanded
from pipelines.wording import counted

Part = Literal["published", "warehouse", "pages", "lake"]

if TYPE_CHECKING:
    from pipelines.recovery.restore import Recreated


@app.command
def verify(*, only: Annotated[tuple[Part, ...], Parameter(negative=())] = ()) -> int:
    """Check published files, the warehouse and landed pages; exit with 1 and name each damage with what mends it.

    With MILESTONES_LAKE, the newest snapshot in the lake is read and checked too. Nothing is changed, and no run has to
    wait: the warehouse is checked on a copy.

    Parameters
    ----------
    only
        Check only this part; repeatable. The published files alone take seconds, whatever the size of the warehouse.
    """
    home = Home.from_environment()
    return _print_verified(home, only)


def _print_verified(home: Home, only: tuple[Part, ...] = ()) -> int:
    from pipelines.recovery.verify import PARTS, verify_home
    from pipelines.settings import Settings

    lake = Settings.from_environment().data_lake()
    is_damaged = False
    for checked in verify_home(home, now=datetime.now(UTC), parts=only or PARTS, lake=lake):
        for fault in checked.faults:
            print_error(str(fault))
        if not checked.faults:
            _print(checked.intact)
        is_damaged = is_damaged or bool(checked.faults)
    return EXIT_FAILED if is_damaged else 0


@app.command
def restore() -> int:
    """Recreate a lost or damaged warehouse from the published files, or else from landed pages, and publish.

    An empty home takes the published files from the lake (MILESTONES_LAKE). The damaged warehouse is kept under another
    name, and damaged landed sweeps are moved to raw/damaged.
    """
    from pipelines.orchestration.resources import utc_now
    from pipelines.recovery.restore import restore as restore_home
    from pipelines.recovery.take_up import take_up
    from pipelines.settings import Settings
    from pipelines.storage.leftovers import writer_session
    from pipelines.sweep.stages import Stages

    home = Home.from_environment()
    home.preflight()
    settings = Settings.from_environment()
    contract, lake = settings.details_contract(), settings.data_lake()
    with writer_session(home, purpose="milestones restore"):
        from_lake = take_up(home, lake, now=utc_now())
        restored = from_lake or restore_home(home, now=utc_now(), contract=contract)
        snapshot = Stages(home, now=utc_now, lake=lake).publish() if restored.warehouse else None
    if restored.warehouse is not None:
        _print_recreated(home, restored.warehouse)
    for folder in restored.set_aside:
        _print(f"a damaged landed sweep was moved to {folder}; nothing needs it")
    if snapshot is not None:
        _print(f"published as {snapshot.folder}")
    return 0


def _print_recreated(home: Home, recreated: Recreated) -> None:
    replayed = recreated.replayed
    for reason in recreated.unusable:
        _print(f"not used: {reason}")
    sweeps = counted(replayed.sweeps, "landed sweep") + f" and {replayed.endpoint_sweeps:,} of other endpoints"
    if recreated.source is not None:
        _print(f"{home.warehouse_file} was recreated from {recreated.source}")
        if replayed.sweeps or replayed.endpoint_sweeps:
            _print(f"{sweeps}, newer than that, were loaded again")
    else:
        _print(f"{home.warehouse_file} was recreated from {sweeps}")
        _print(
            f"the history begins with the first of these sweeps, at {replayed.since:%Y-%m-%d %H:%M:%SZ}: earlier "
            "versions are lost, and so is every milestone that no sweep has seen since"
        )
        if not replayed.has_full:
            _print("no full sweep is among them: the next milestones ingest is one")
    for page in replayed.damaged_pages:
        _print(f"left out, as it is damaged: {page}")
    if recreated.moved_to is not None:
        _print(f"the damaged warehouse was moved to {recreated.moved_to}")
    if recreated.published_copy is not None:
        _print(f"the published file that was not used was copied to {recreated.published_copy}")


@app.command
def backup(folder: Path, /, *, verify: Annotated[bool, FLAG] = False) -> int:
    """Copy the home into a folder that is a home itself, also while a sweep runs; a later backup replaces it.

    The folder is new, empty or an earlier backup. Every command works on it: MILESTONES_HOME=FOLDER milestones sql.

    Parameters
    ----------
    folder
        The folder of the backup.
    verify
        Then check the backup as milestones verify does.
    """
    from pipelines.recovery.backup import backup as back_up

    target = expanded(folder).absolute()
    done = back_up(Home.from_environment(), target, now=lambda: datetime.now(UTC))
    snapshot = f"snapshot {done.snapshot}" if done.snapshot else "nothing published"
    copied = counted(done.copied_sweeps, "landed sweep")
    _print(f"{done.folder}: warehouse, {snapshot}, {copied} copied; {counted(done.bytes, 'byte')} in all")
    for sweep in done.left_out:
        print_error(f"{sweep} is damaged and was left out: run milestones restore, which moves it away")
    status = _print_verified(Home(target)) if verify else 0
    return EXIT_FAILED if done.left_out else status


def _print(line: str) -> None:
    Console().print(line, highlight=False, markup=False, soft_wrap=True)
