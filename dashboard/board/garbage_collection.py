"""Excludes loaded modules from garbage collection, which Streamlit runs after every page."""

from __future__ import annotations

import atexit
import gc
from functools import cache


@cache
def freeze_loaded_objects() -> None:
    """Exclude all objects that exist now from garbage collection, once per process.

    Streamlit collects all generations after every run, including every check for a new publish. With pandas and Altair
    loaded that takes 100 ms each time, and a few open pages kept one core busy.
    """
    gc.freeze()
    # DuckDB reports objects that are not freed at exit.
    atexit.register(gc.unfreeze)
