"""Secrets and state stay private: no secret is written or printed, and only the owner can read the state."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.cli.commands import Outcome, environment, process
from tests.kalshi.fault_server import Exchange, FaultServer, answer
from tests.kalshi.proxy import Proxy
from tests.keys import private_key_file
from tests.support import Shells, milestone, readable_by_others, tables_in

pytestmark = pytest.mark.slow

KEY_ID = "c4a7a79b-key-canary-id"
PASSWORD, TOKEN, STRAY, USER = "pass-canary-1", "hook-canary-2", "stray-canary-3", "proxy-user"
REFUSED = "Tunnel connection failed"
PLAIN = "a title that is no secret"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def texts(home: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a home with its bytes and, where those are compressed, its values."""
    for path in sorted(home.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        name = str(path.relative_to(home))
        yield name, path.read_bytes()
        if path.suffix == ".parquet":
            yield name, repr(pq.ParquetFile(path).read().to_pylist()).encode()
        if path.suffix == ".duckdb":
            with duckdb.connect(str(path), read_only=True) as connection:
                for table in tables_in(path):
                    yield name, repr(connection.execute(f'SELECT * FROM "{table}"').fetchall()).encode()


def found_in(home: Path, words: str) -> set[str]:
    """The files of a home that contain these words."""
    return {name for name, content in texts(home) if words.encode() in content}


def echo(exchange: Exchange) -> bool:
    """Refuses a request and quotes its headers, as a debugging proxy does."""
    body = json.dumps({"msg": f"{PLAIN}: {' '.join(exchange.headers.values())}"})
    return answer(body.encode(), 401)(exchange)


def test_no_secret_is_written_or_printed(shells: Shells, tmp_path: Path) -> None:
    file, home = private_key_file(tmp_path), tmp_path / "home"
    secrets = [KEY_ID, PASSWORD, TOKEN, STRAY, BASIC, *file.read_text().splitlines()[1:-1]]
    rows = [milestone(1, title=PLAIN), milestone(2, title=7), *(milestone(number) for number in range(3, 200))]
    shell = shells(tmp_path, rows)
    outcomes: list[Outcome] = []
    with FaultServer(echo) as refusing, Proxy(1, refusal=proxy_refusal()) as proxy:
        settings = environment(home, shell.base_url) | {
            "KALSHI_API_KEY_ID": KEY_ID,
            "KALSHI_PRIVATE_KEY_FILE": str(file),
            "KALSHI_PROXY": f"http://{USER}:{PASSWORD}@127.0.0.1:{proxy.port}",
            "MILESTONES_WEBHOOK_URL": f"http://127.0.0.1:9/services/{TOKEN}",
            # No setting of ours: nothing may copy the environment.
            "KALSHI_PRIVATE_KEY": STRAY,
            "MILESTONES_ENDPOINTS": "none",
        }
        for base_url in (shell.base_url, refusing.url, "https://api.example/trade-api/v2"):
            variables = settings | {"KALSHI_BASE_URL": base_url}
            outcomes.append(process(["ingest"], variables))
        assert [one.status for one in outcomes] == [0, 1, 1]
        outcomes.append(process(["doctor"], settings | {"KALSHI_BASE_URL": refusing.url}))
        assert outcomes[-1].status == 1
    # The search would find them: what is no secret is found in each kind of file, and the headers were echoed.
    assert {name.partition("/")[0] for name in found_in(home, PLAIN)} == {"raw", "warehouse", "published", "dagster"}
    assert REFUSED in outcomes[2].err
    assert {name.partition("/")[0] for name in found_in(home, REFUSED)} >= {"warehouse", "dagster"}
    assert refusing.exchanges[0].headers["kalshi-access-key"] == KEY_ID
    assert any(BASIC in head for head in proxy.heads)
    secrets += [one.headers["kalshi-access-signature"][:40] for one in refusing.exchanges]
    printed = "".join(one.out + one.err for one in outcomes)
    assert PLAIN in printed
    for secret in secrets:
        assert found_in(home, secret) == set()
        assert secret not in printed


def proxy_refusal() -> bytes:
    return f"HTTP/1.1 407 no {BASIC} {PASSWORD}\r\nContent-Length: 0\r\nX-Echo: {BASIC}\r\n\r\n".encode()


@pytest.mark.parametrize("mask", [0, 0o077], ids=["umask-000", "umask-077"])
def test_only_the_owner_can_read_the_state(shells: Shells, tmp_path: Path, mask: int) -> None:
    shell, home = shells(tmp_path / "shell", [milestone(1)]), tmp_path / "home"
    settings = environment(home, shell.base_url) | {"MILESTONES_ENDPOINTS": "none"}
    assert process(["ingest"], settings, umask=mask).status == 0
    assert readable_by_others(home) == []
    assert {path.name for path in home.iterdir()} == {"raw", "warehouse", "dagster", "published"}
    assert (home / "published" / "milestones.duckdb").stat().st_mode & 0o777 == 0o666 & ~mask
