"""Checks the newest snapshot in the lake against its manifest."""

from __future__ import annotations

from pipelines.errors import PublishedDiffers
from pipelines.publish.lake import verify_lake
from pipelines.recovery.faults import Checked, Fault
from pipelines.storage.lake import Lake
from pipelines.wording import counted


def check_lake(lake: Lake) -> Checked:
    """Verify the newest snapshot in the lake; all of its objects are read. Raises LakeUnusable."""
    try:
        verified = verify_lake(lake)
    except PublishedDiffers as error:
        return Checked("", [Fault(str(error), "")])
    # The next snapshot copies an unchanged object of the right size within the lake.
    advice = "remove the object, if it is there, and run milestones ingest with the home that published it"
    return Checked(
        f"snapshot {verified.snapshot} in {lake}: {counted(verified.files, 'file')}, "
        f"{counted(verified.bytes, 'byte')}, all as published",
        [Fault(f"{difference}: {advice}", "") for difference in verified.differences],
    )
