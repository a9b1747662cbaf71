"""Fixtures of the tests of views."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from tests.publish.views_database import Database


@pytest.fixture
def database() -> Iterator[Database]:
    with duckdb.connect() as connection:
        # No view may depend on the session's zone.
        connection.execute("SET TimeZone = 'America/New_York'")
        yield Database(connection)
