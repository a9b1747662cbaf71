"""What is loaded is looked through no more."""

from __future__ import annotations

import gc

from board.garbage_collection import freeze_loaded_objects


def test_what_is_loaded_is_left_to_stay_once() -> None:
    before = gc.get_freeze_count()
    freeze_loaded_objects()
    kept = gc.get_freeze_count()
    assert kept > before
    freeze_loaded_objects()
    assert gc.get_freeze_count() <= kept
    gc.unfreeze()
