"""Checks are isolated: what one raises is its finding, in one line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.doctor.findings import Finding, run_checks
from pipelines.errors import MilestonesError
from pipelines.kalshi.errors import KalshiError

GOOD = Finding("good", "ok", "fine")

FAULTS: dict[str, tuple[Exception, str]] = {
    "ours": (MilestonesError("no home: make one"), "no home: make one"),
    "of the API": (KalshiError("https://api.test/x"), "https://api.test/x"),
    "of the system": (PermissionError(13, "Permission denied", "/x"), "cannot read /x: Permission denied"),
    "of another kind": (KeyError("a\nb"), "cannot be checked (KeyError: 'a\\nb')"),
    "a missing package": (ModuleNotFoundError("No module named 'duckdb'"), "No module named 'duckdb'"),
}


@pytest.mark.parametrize(("fault", "text"), FAULTS.values(), ids=FAULTS)
def test_a_check_that_raises_hides_no_other(fault: Exception, text: str) -> None:
    def broken() -> Iterator[Finding]:
        yield GOOD
        raise fault

    found = list(run_checks([("first", broken), ("second", lambda: [GOOD])]))
    assert [(one.name, one.level) for one in found] == [("first", "error"), ("good", "ok")]
    assert text in found[0].text
    assert "\n" not in found[0].text
