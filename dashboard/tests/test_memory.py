"""What is loaded is looked through no more."""

from __future__ import annotations

import gc

from board.memory import keep_what_is_loaded


def test_what_is_loaded_is_left_to_stay_once() -> None:
    before = gc.get_freeze_count()
    keep_what_is_loaded()
    kept = gc.get_freeze_count()
    assert kept > before
    keep_what_is_loaded()
    assert gc.get_freeze_count() <= kept
    gc.unfreeze()
