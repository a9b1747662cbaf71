"""What `milestones cluster` says where it cannot work."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from pipelines.cli.main import run


@pytest.mark.skipif(find_spec("dagster_celery") is not None, reason="the extra is installed")
@pytest.mark.parametrize("command", ["worker", "ingest", "check"])
def test_without_the_extra_the_error_says_how_to_install_it(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", command]) == 1
    assert (
        "a cluster needs the extra cluster: run uv pip install -r requirements/cluster.txt" in capsys.readouterr().err
    )


def test_a_number_of_ranges_below_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cluster", "ingest", "--ranges", "0"]) == 2
    assert "--ranges" in capsys.readouterr().err
