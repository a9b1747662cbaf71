"""What a view or macro is to its readers: the question it answers, its parameters and columns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameter:
    """One parameter of a macro; `default` is an SQL expression, None where a value must be given."""

    name: str
    default: str | None
    meaning: str


@dataclass(frozen=True)
class ViewColumn:
    """One column: its DuckDB type and what it means."""

    name: str
    sql_type: str
    meaning: str


@dataclass(frozen=True)
class View:
    """A table macro, and the view of the same name where every parameter has a default.

    `notes` are the rules and caveats, a paragraph each.
    """

    name: str
    question: str
    notes: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    columns: tuple[ViewColumn, ...]

    @property
    def is_view(self) -> bool:
        """Whether it can be read as a table, without parameters."""
        return all(parameter.default is not None for parameter in self.parameters)

    @property
    def signature(self) -> str:
        """How the macro is called, defaults shown."""
        shown = (one.name if one.default is None else f"{one.name} := {one.default}" for one in self.parameters)
        return f"{self.name}({', '.join(shown)})"
