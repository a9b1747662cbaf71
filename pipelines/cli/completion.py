"""`milestones completion`: prints a script that completes commands and options in a shell."""

from __future__ import annotations

import sys
from typing import Literal

from pipelines.cli.app import app


@app.command
def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print a completion script for a shell; in bash, run: source <(milestones completion bash)

    Parameters
    ----------
    shell
        The shell to print it for.
    """
    sys.stdout.write(app.generate_completion(shell=shell))
    return 0
