"""The documentation of a view or macro: the question it answers, its parameters and columns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """A parameter of a macro; `default` is an SQL expression, None for a required parameter."""

    name: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class ViewColumn:
    """A column: its DuckDB type and meaning."""

    name: str
    sql_type: str
    meaning: str


@dataclass(frozen=True)
class View:
    """A table macro, and a view of the same name if every parameter has a default.

    `notes` are rules and caveats, one paragraph each.
    """

    name: str
    question: str
    notes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    columns: tuple[ViewColumn, ...]

    @property
    def is_view(self) -> bool:
        """Whether it can be queried without parameters."""
        return all(parameter.default is not None for parameter in self.parameters)

    @property
    def signature(self) -> str:
        """The call of the macro, with its defaults."""
        shown = (one.name if one.default is None else f"{one.name} := {one.default}" for one in self.parameters)
        return f"{self.name}({', '.join(shown)})"
