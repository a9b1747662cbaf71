"""The completion scripts have every command and are valid."""

from __future__ import annotations

import subprocess

import pytest

from pipelines.cli.main import app
from tests.cli.commands import Command

COMMANDS = sorted(name for name in app if not name.startswith("-"))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_option_is_in_the_script(command: Command, shell: str) -> None:
    outcome = command("completion", shell)
    assert (outcome.status, outcome.err) == (0, "")
    assert {"ingest", "sql", "export", "completion"} <= set(COMMANDS)
    assert [name for name in COMMANDS if name not in outcome.out] == []
    assert "start-anew" in outcome.out


def test_bash_accepts_the_script(command: Command) -> None:
    script = command("completion", "bash").out
    complete = f"{script}\nCOMP_WORDS=(milestones qua)\nCOMP_CWORD=1\n_milestones\nprintf '%s' \"${{COMPREPLY[*]}}\""
    done = subprocess.run(["bash", "-c", complete], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "quarantine", "")


def test_an_unknown_shell_is_refused(command: Command) -> None:
    outcome = command("completion", "tcsh")
    assert (outcome.status, outcome.out) == (2, "")
    assert '"bash", "zsh", "fish"' in outcome.error_line
