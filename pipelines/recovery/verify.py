"""Verifies a whole home: published files, the warehouse with its version logs, landed pages. It changes nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from typing import Literal, get_args

from pipelines.errors import NothingToDo
from pipelines.recovery.backup import unfinished_backup_of
from pipelines.recovery.check_lake import check_lake
from pipelines.recovery.check_pages import check_pages
from pipelines.recovery.check_published import check_published
from pipelines.recovery.check_warehouse import check_warehouse
from pipelines.recovery.faults import RESTORE, Checked, Fault
from pipelines.storage.home import Home
from pipelines.storage.lake import Lake

Part = Literal["published", "warehouse", "pages", "lake"]
PARTS: tuple[Part, ...] = get_args(Part)


def verify_home(
    home: Home, *, now: datetime, parts: tuple[Part, ...] = PARTS, lake: Lake | None = None
) -> Iterator[Checked]:
    """Check these parts of a home, the warehouse first: what mends published files depends on it.

    `lake` is where copies are, None without one. Raises NothingToDo for an empty home, WarehouseDisturbed,
    PublishedUnsettled, LakeUnusable.
    """
    if (source := unfinished_backup_of(home)) is not None:
        text = f"{home.root} is a backup of {source} that was not finished: run milestones backup again, with that home"
        yield Checked("", [Fault(text, "")])
        return
    if not _is_private(home) and not _has_data(home):
        raise NothingToDo(f"there is nothing to verify in {home.root}: run milestones ingest first")
    is_warehouse_sound = True
    if "warehouse" in parts:
        if _is_private(home):
            yield Checked("warehouse: not checked, as only its owner can read it")
        else:
            yield (warehouse := check_warehouse(home))
            is_warehouse_sound = all(fault.command != RESTORE for fault in warehouse.faults)
    if "pages" in parts and not _is_private(home):
        yield check_pages(home, now=now)
    if "published" in parts:
        yield check_published(home, is_warehouse_sound=is_warehouse_sound)
    if "lake" in parts and lake is not None:
        yield check_lake(lake)


def _is_private(home: Home) -> bool:
    """Whether this user may not enter what only the owner of a home uses; readers of published files may not."""
    return any(
        folder.is_dir() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK) for folder in (home.warehouse, home.raw)
    )


def _has_data(home: Home) -> bool:
    return any(home.published.glob("*")) or home.warehouse_file.exists() or any(home.raw.glob("*"))
