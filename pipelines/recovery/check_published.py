"""Checks published files against their manifest."""

from __future__ import annotations

from pipelines.errors import PublishedDiffers
from pipelines.publish.manifest import PublishedUnsettled, verify
from pipelines.recovery.faults import INGEST, REBUILD, RESTORE, Checked, Fault
from pipelines.storage.home import Home
from pipelines.wording import counted


def check_published(home: Home, *, is_warehouse_sound: bool) -> Checked:
    """Verify the published files of a home. Raises PublishedUnsettled."""
    # Both commands publish, and neither reuses a damaged file.
    command = REBUILD if is_warehouse_sound and home.warehouse_file.exists() else RESTORE
    try:
        verified = verify(home)
    except PublishedUnsettled:
        raise
    except PublishedDiffers as error:
        if not any((home.published_duckdb.exists(), home.warehouse_file.exists(), home.raw.exists())):
            command = INGEST
        # Its own advice does not know the rest of the home.
        return Checked("", [Fault(str(error).rpartition(": ")[0], command)])
    return Checked(
        f"snapshot {verified.snapshot}: {counted(verified.files, 'file')}, {counted(verified.bytes, 'byte')}, "
        "all as published",
        [Fault(difference, command) for difference in verified.differences],
    )
