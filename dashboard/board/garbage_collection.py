"""What every run of a page would pay for again: looking through objects that stay for ever."""

from __future__ import annotations

import atexit
import gc
from functools import cache


@cache
def freeze_loaded_objects() -> None:
    """Take what is loaded by now out of the garbage collector's sight, once a process.

    Streamlit collects all generations after every run, including every check for a new publish. With pandas and Altair
    loaded that takes 100 ms each time, and a few open pages kept a core busy.
    """
    gc.freeze()
    # DuckDB reports what is not given back at the end.
    atexit.register(gc.unfreeze)
