"""Contracts: what happens when a type's `details` show a field or a kind that they never had before.

- evolve: it makes a column, or widens one (the default).
- freeze: the sweep fails before anything is published, naming it.
- discard: it stays in the JSON and in milestone_details, and makes no column.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from pipelines.errors import WrongSetting

ContractMode = Literal["evolve", "freeze", "discard"]
MODES: tuple[str, ...] = get_args(ContractMode)


@dataclass(frozen=True)
class Contract:
    """The mode of every type: its own, or the one for all."""

    default: ContractMode = "evolve"
    by_type: dict[str, ContractMode] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Contract:
        """From `freeze` or `evolve,football_game=freeze,tennis_tournament_singles=discard`. Raises WrongSetting."""
        default: ContractMode = "evolve"
        by_type: dict[str, ContractMode] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            type_, equals, mode = (piece.strip() for piece in part.rpartition("="))
            if mode not in MODES or (equals and not type_):
                raise WrongSetting(f"{part[:40]!r} is no contract: write {', '.join(MODES)}, or type=mode, with commas")
            if equals:
                by_type[type_] = cast("ContractMode", mode)
            else:
                default = cast("ContractMode", mode)
        return cls(default, by_type)

    def types_in(self, mode: ContractMode, types: Iterable[str]) -> list[str]:
        """Those of the types that have a mode."""
        return [type_ for type_ in types if self.by_type.get(type_, self.default) == mode]


EVOLVE = Contract()
"""Whatever comes is taken in."""
