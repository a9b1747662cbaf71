"""One published file for all who only read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from board.published import reading

from .known import publish_known
from .publishing import Publisher, publishing


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """The known world, published; nobody publishes into it again."""
    with publishing(tmp_path_factory.mktemp("known")) as publisher:
        publish_known(publisher)
        yield publisher


@pytest.fixture
def connection(known: Publisher) -> Iterator[duckdb.DuckDBPyConnection]:
    """The known world, opened as the pages open it."""
    with reading(known.file) as opened:
        yield opened


@pytest.fixture
def no_home(tmp_path: Path) -> Path:
    """A home in which nothing is published."""
    return tmp_path
