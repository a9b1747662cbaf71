"""Checks published files against their manifest."""

from __future__ import annotations

from pipelines.errors import PublishedDiffers, WarehouseLost
from pipelines.publish.manifest import PublishedUnsettled, verify
from pipelines.recovery.faults import INGEST, REBUILD, RESTORE, Checked, Fault
from pipelines.storage.home import Home
from pipelines.warehouse.database import Warehouse
from pipelines.wording import counted


def check_published(home: Home, *, is_warehouse_sound: bool) -> Checked:
    """Verify the published files of a home. Raises PublishedUnsettled."""
    command = _command(home, is_warehouse_sound=is_warehouse_sound)
    try:
        verified = verify(home)
    except PublishedUnsettled:
        raise
    except PublishedDiffers as error:
        # Its own advice does not know the rest of the home.
        return Checked("", [Fault(str(error).rpartition(": ")[0], command)])
    return Checked(
        f"snapshot {verified.snapshot}: {counted(verified.files, 'file')}, {counted(verified.bytes, 'byte')}, "
        "all as published",
        [Fault(difference, command) for difference in verified.differences],
    )


def _command(home: Home, *, is_warehouse_sound: bool) -> str:
    """What publishes again: no command reuses a damaged file."""
    if home.warehouse_file.exists():
        return REBUILD if is_warehouse_sound else RESTORE
    try:
        Warehouse(home).check_not_lost()
    except WarehouseLost:
        return RESTORE
    return INGEST
