"""What a verification finds: faults, each with the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass, field

REBUILD, RESTORE, INGEST = "milestones rebuild", "milestones restore", "milestones ingest"


@dataclass(frozen=True)
class Fault:
    """Damage: what is wrong with what, and the command that mends it.

    The command is "" where none does: then `text` says what to do.
    """

    text: str
    command: str

    def __str__(self) -> str:
        return f"{self.text}: run {self.command}" if self.command else self.text


@dataclass(frozen=True)
class Checked:
    """The outcome for one part of a home: its faults, or a line that says what was found to be intact."""

    intact: str
    faults: list[Fault] = field(default_factory=list)
