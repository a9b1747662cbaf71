"""A secret of the environment is in nothing that commands print or write, also when they fail."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipelines.storage.home import Home
from schemas.sql import quote
from tests.cli.commands import Outcome, environment, process
from tests.kalshi.proxy import Proxy
from tests.support import Shells, milestone, tables_in

pytestmark = pytest.mark.slow

CANARY = "canary-7d41b2-secret"
REFUSAL = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
REFUSED = "Tunnel connection failed"


def files_with(folder: Path, text: str) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    }


def tables_with(file: Path, text: str) -> set[str]:
    """The tables of a DuckDB file with the text in any column: their bytes are compressed."""
    with duckdb.connect(str(file), read_only=True) as connection:
        return {
            table
            for table in tables_in(file)
            if connection.execute(
                f"SELECT count(*) > 0 FROM {quote(table)} AS one WHERE contains(CAST(one AS VARCHAR), ?)", [text]
            ).fetchall()
            == [(True,)]
        }


def test_a_canary_is_in_no_output_file_or_table(shells: Shells, tmp_path: Path) -> None:
    shell = shells(tmp_path / "home", [milestone(1), milestone(2, title=7), *(milestone(n) for n in range(3, 200))])
    home = Home(tmp_path / "home")
    with Proxy(0, refusal=REFUSAL) as proxy:
        secrets = {
            "KALSHI_PROXY": f"http://me:{CANARY}@127.0.0.1:{proxy.port}",
            "MILESTONES_WEBHOOK_URL": f"http://127.0.0.1:9/services/{CANARY}",
            "KALSHI_PRIVATE_KEY": CANARY,
            "MILESTONES_ENDPOINTS": "none",
        }
        # The API on loopback is reached without the proxy, the other one through it only.
        works = environment(home.root, shell.base_url) | secrets
        fails = works | {"KALSHI_BASE_URL": "https://api.example/v2", "KALSHI_DEADLINE_SECONDS": "1"}
        outcomes = [
            process(["ingest"], works),
            process(["ingest", "--full"], fails),
            process(["doctor"], fails),
        ]
    assert [one.status for one in outcomes] == [0, 1, 1], outcomes
    assert not [one for one in outcomes if CANARY in one.out + one.err]
    assert files_with(home.root, CANARY) == set()
    for file in (home.warehouse_file, home.published_duckdb):
        assert tables_with(file, CANARY) == set()
    search_finds_what_is_there(home, outcomes[1])


def search_finds_what_is_there(home: Home, failed: Outcome) -> None:
    assert REFUSED in failed.err
    assert any(name.startswith("dagster/") for name in files_with(home.root, REFUSED))
    assert tables_with(home.warehouse_file, REFUSED) == {"sweeps"}
