"""Schema contracts: what happens when the `details` of a type have a new field, or a field of a new kind.

- evolve (the default): add a column, or widen one.
- freeze: fail the sweep before it is published; the error names the field.
- discard: add no column; the value stays in the JSON and in milestone_details.
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
    """The mode of each type: `by_type`, else `default`."""

    default: ContractMode = "evolve"
    by_type: dict[str, ContractMode] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Contract:
        """Parse `freeze` or `evolve,football_game=freeze,tennis_tournament_singles=discard`. Raises WrongSetting."""
        default: ContractMode = "evolve"
        by_type: dict[str, ContractMode] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            type_, equals, mode = (piece.strip() for piece in part.rpartition("="))
            if mode not in MODES or (equals and not type_):
                raise WrongSetting(
                    f"{part[:40]!r} is not a contract: give {', '.join(MODES)} or TYPE=MODE, separated by commas"
                )
            if equals:
                by_type[type_] = cast("ContractMode", mode)
            else:
                default = cast("ContractMode", mode)
        return cls(default, by_type)

    def types_in(self, mode: ContractMode, types: Iterable[str]) -> list[str]:
        """The types that have this mode, in their order."""
        return [type_ for type_ in types if self.by_type.get(type_, self.default) == mode]


EVOLVE = Contract()
"""Evolves every type."""
