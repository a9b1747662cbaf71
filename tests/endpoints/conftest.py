"""A home with published milestones, and the endpoints of an API in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipelines.endpoints.refresh import EndpointRefresh
from pipelines.kalshi.client import KalshiClient
from pipelines.storage.home import Home
from pipelines.warehouse.endpoints import EndpointLedgerRow
from schemas.endpoint import Endpoint
from tests.endpoints.scripted_records import ScriptedRecords
from tests.support import Clock, Shell, Shells, milestone


class EndpointHome:
    """A home whose milestones are published, and a scripted API for everything else."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.home: Home = shell.home
        self.clock: Clock = shell.clock
        self.api = ScriptedRecords(shell.clock)

    def refresh(self, endpoint: Endpoint, **options: Any) -> EndpointRefresh:
        return EndpointRefresh(self.home, endpoint, now=self.clock, **options)

    def run(self, endpoint: Endpoint, **options: Any) -> EndpointLedgerRow:
        """Run one sweep, which must have something to request."""
        result = self.refresh(endpoint, **options).run(self.client)
        assert result is not None
        return result[0]

    @property
    def client(self) -> KalshiClient:
        """The scripted API in place of a client."""
        api: Any = self.api
        return api  # type: ignore[no-any-return]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of the published file."""
        with duckdb.connect(str(self.home.published_duckdb), read_only=True) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def make_home(shells: Shells, tmp_path: Path) -> Callable[..., EndpointHome]:
    def make(*rows: dict[str, Any]) -> EndpointHome:
        shell = shells(tmp_path / "home", rows or [milestone(1), milestone(2)])
        shell.home.preflight()
        shell.sweep()
        shell.stages.publish()
        return EndpointHome(shell)

    return make
