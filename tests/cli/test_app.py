"""What all commands share: errors on stderr, the version."""

from __future__ import annotations

import importlib.metadata

import pytest

from pipelines.cli.app import print_error
from tests.cli.commands import Command


def test_data_in_an_error_cannot_look_like_another_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("a field called x\nmilestones: all is well\x1b[2K\u202e")
    assert capsys.readouterr().err == "milestones: a field called x\n  milestones: all is well\\x1b[2K\\u202e\n"


def test_version(command: Command) -> None:
    assert command("--version").out == f"{importlib.metadata.version('kalshi-milestones')}\n"
