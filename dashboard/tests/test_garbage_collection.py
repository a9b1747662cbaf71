"""Loaded objects are excluded from garbage collection, once."""

from __future__ import annotations

import gc

from board.garbage_collection import freeze_loaded_objects


def test_loaded_objects_are_frozen_once() -> None:
    before = gc.get_freeze_count()
    freeze_loaded_objects()
    kept = gc.get_freeze_count()
    assert kept > before
    freeze_loaded_objects()
    assert gc.get_freeze_count() <= kept
    gc.unfreeze()
