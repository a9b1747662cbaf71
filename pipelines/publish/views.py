"""Views and macros of the published file: one .sql file each, its question and caveats in a comment at its head."""

from __future__ import annotations

from functools import cache
from importlib import resources

import duckdb


@cache
def view_texts() -> dict[str, str]:
    """The text of every view and macro, by name."""
    files = sorted(resources.files("pipelines.publish").joinpath("sql").iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(".sql"): file.read_text(encoding="utf-8") for file in files}


def create_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make them all, replacing what an older version made."""
    for text in view_texts().values():
        connection.execute(text)
