"""Fixtures: published files for all tests that only read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from board.published import reading

from .known import publish_known, publish_milestones
from .publishing import Publisher, publishing


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """The known data, published once."""
    with publishing(tmp_path_factory.mktemp("known")) as publisher:
        publish_known(publisher)
        yield publisher


@pytest.fixture(scope="session")
def milestones_only(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Publisher]:
    """The known milestones, published once without any other endpoint."""
    with publishing(tmp_path_factory.mktemp("milestones-only")) as publisher:
        publish_milestones(publisher)
        yield publisher


@pytest.fixture
def connection(known: Publisher) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the known data, opened as the pages do."""
    with reading(known.file) as opened:
        yield opened


@pytest.fixture
def no_home(tmp_path: Path) -> Path:
    """A home without a published file."""
    return tmp_path
