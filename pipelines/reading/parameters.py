"""Named parameters of SQL statements (`$name`): their values are bound, never pasted into the text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from pipelines.errors import WrongUse

Values = Mapping[str, str]
"""Values by name. DuckDB treats a bound text like a quoted literal, of the type that its place needs."""


def as_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values by name. Raises WrongUse for a name that occurs twice; like DuckDB, names ignore case."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name.lower() in values:
            raise WrongUse(f"the parameter {name} has two values: give one -p {name} VALUE")
        values[name.lower()] = value
    return values


def check_values(connection: duckdb.DuckDBPyConnection, statements: Sequence[str], values: Values) -> None:
    """Raise WrongUse for a parameter without a value, and for a value without a parameter in any statement."""
    names: set[str] = set()
    for statement in statements:
        try:
            parsed = connection.extract_statements(statement)
        except duckdb.Error:
            # A syntax error: the statements before it run, and it may be the one that has the other parameters.
            return
        names |= {name.lower() for one in parsed for name in one.named_parameters}
    for name in sorted(names - values.keys()):
        raise WrongUse(f"the query has a parameter ${name} without a value: give it with -p {name} VALUE")
    for name in sorted(values.keys() - names):
        known = f"its parameters are {', '.join(f'${one}' for one in sorted(names))}" if names else "it has none"
        raise WrongUse(f"there is no parameter ${name} in the query: {known}")


def values_of(statement: duckdb.Statement, values: Values) -> dict[str, str]:
    """The values of the parameters that a statement has: DuckDB refuses others."""
    return {name: values[name.lower()] for name in statement.named_parameters if name.lower() in values}
