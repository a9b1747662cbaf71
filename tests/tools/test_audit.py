"""The audit of dependencies: what pip-audit says, and what happens where its service cannot be reached."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from tools.audit import CONTAINED, PROJECT, audit, locks

FILES = [Path("a.txt"), Path("b.txt")]
TODAY = date(2026, 11, 27)
UNREACHABLE = {
    "no-address": "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.osv.dev'): Name not known",
    "server-error": "pip_audit._service.interface.ServiceError",
    "timeout": "ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another service with `-s`",
}
CLEAN: dict[str, object] = {"name": "duckdb", "version": "2.0.0", "vulns": []}
VULNERABLE: dict[str, object] = {"name": "urllib3", "version": "2.5.0", "vulns": [{"id": "GHSA-1"}, {"id": "GHSA-2"}]}


def program(folder: Path, *, out: str = "", err: str = "", status: int = 0) -> Path:
    """A stand-in for pip-audit with this result; it writes its arguments into `arguments`."""
    (folder / "out").write_text(out)
    (folder / "err").write_text(err)
    file = folder / "pip-audit"
    file.write_text(f'#!/bin/sh\ncd "{folder}"\necho "$@" > arguments\ncat out\ncat err >&2\nexit {status}\n')
    file.chmod(0o700)
    return file


def report(*dependencies: dict[str, object]) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_a_clean_audit_is_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = audit(program(tmp_path, out=report(CLEAN)), FILES, stamp=tmp_path / "last", today=TODAY)
    assert (found, capsys.readouterr().out) == (0, "audit: no known vulnerability in 1 packages\n")
    assert (tmp_path / "last").read_text() == "2026-11-27\n"
    assert (tmp_path / "arguments").read_text().count("--requirement b.txt")


def test_a_vulnerability_fails_with_one_line_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = report(CLEAN, VULNERABLE)
    assert audit(program(tmp_path, out=out, status=1), FILES, stamp=tmp_path / "last", today=TODAY) == 1
    assert capsys.readouterr().err.splitlines() == [
        "audit: urllib3 2.5.0 has GHSA-1: upgrade it with make lock",
        "audit: urllib3 2.5.0 has GHSA-2: upgrade it with make lock",
    ]


@pytest.mark.parametrize("last", ["never", "2026-11-01"])
@pytest.mark.parametrize("line", UNREACHABLE.values(), ids=UNREACHABLE)
def test_without_the_service_the_last_audit_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], last: str, line: str
) -> None:
    if last != "never":
        (tmp_path / "last").write_text(f"{last}\n")
    fake = program(tmp_path, err=f"Traceback (most recent call last):\n{line}\n", status=1)
    assert audit(fake, FILES, stamp=tmp_path / "last", today=TODAY) == 0
    assert capsys.readouterr().out == (
        f"audit: not done, as the service cannot be reached; last audit on this machine: {last}\n"
    )
    assert (tmp_path / "last").exists() is (last != "never")


@pytest.mark.parametrize("err", ["ERROR: bad hash of a ConnectionError", ""], ids=["message", "silent"])
def test_another_failure_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str], err: str) -> None:
    assert audit(program(tmp_path, err=err, status=1), FILES, stamp=tmp_path / "last", today=TODAY) == 1
    assert capsys.readouterr().err == f"audit: pip-audit failed: {err or 'no output'}\n"
    assert not (tmp_path / "last").exists()


def test_every_lock_is_audited_or_contained_in_one() -> None:
    packages = {path: names(path) for path in locks()}
    assert {"dev.txt", "linters.txt", "audit.txt"} <= {path.name for path in packages}
    audited = set().union(*packages.values())
    for contained in CONTAINED:
        assert names(PROJECT / contained) <= audited


def names(lock: Path) -> set[str]:
    return {line.split()[0] for line in lock.read_text().splitlines() if "==" in line and line[0].isalnum()}
