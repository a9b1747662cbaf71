"""The classes of a table declaration, and what is derived from one: Arrow schema, DuckDB DDL, rules.

A table is declared once, in `schemas.tables`. The pandera schema (pipelines.flatten.validate), Dagster's TableSchema
(pipelines.orchestration.metadata) and the data dictionary (schemas.dictionary) are derived from the same declaration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from schemas.sql import literal, quote

TEXT = pa.string()
BYTES = pa.binary()
BOOLEAN = pa.bool_()
INTEGER = pa.int32()
BIGINT = pa.int64()
DOUBLE = pa.float64()
TIMESTAMP = pa.timestamp("us", tz="UTC")

SQL_TYPES: dict[pa.DataType, str] = {
    TEXT: "VARCHAR",
    BYTES: "BLOB",
    BOOLEAN: "BOOLEAN",
    INTEGER: "INTEGER",
    BIGINT: "BIGINT",
    DOUBLE: "DOUBLE",
    TIMESTAMP: "TIMESTAMPTZ",
}


@dataclass(frozen=True)
class Column:
    """A column: its Arrow type, whether it may be NULL, its meaning and its source.

    `source` is a path in the milestone as the API sends it, or how the value is computed. `generated` is an SQL
    expression: DuckDB computes the column and does not store it. `is_searched` marks a column that every poll scans,
    which is therefore stored uncompressed.
    """

    name: str
    type: pa.DataType
    description: str
    source: str
    nullable: bool = False
    generated: str | None = None
    is_searched: bool = False

    @property
    def sql_type(self) -> str:
        """The DuckDB type."""
        return SQL_TYPES[self.type]

    @property
    def ddl(self) -> str:
        """The column's line in CREATE TABLE."""
        if self.generated:
            return f"{quote(self.name)} {self.sql_type} GENERATED ALWAYS AS ({self.generated}) VIRTUAL"
        constraint = "" if self.nullable else " NOT NULL"
        # DuckDB's compression of ids, FSST, saves a third of the size and makes scans more than twice as long.
        compression = " USING COMPRESSION uncompressed" if self.is_searched else ""
        return f"{quote(self.name)} {self.sql_type}{constraint}{compression}"


@dataclass(frozen=True)
class Rule:
    """A rule for every row: `holds(table)` gives one boolean per row; null counts as kept.

    `column` is the field that a breach is reported for. `constraint` is the rule as a keyword of JSON Schema with its
    value, for descriptions that other tools read; None where no keyword can say it.
    """

    name: str
    column: str
    description: str
    holds: Callable[[pa.Table], Any]
    constraint: tuple[str, Any] | None = None


@dataclass(frozen=True)
class Reference:
    """Every value of `column` exists in `table`.`to`; with `is_total` the reverse holds too."""

    column: str
    table: str
    to: str
    is_total: bool = False


@dataclass(frozen=True)
class Table:
    """A table: what one row is (`grain`), its columns, key, rules and references."""

    name: str
    grain: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...] = ()
    references: tuple[Reference, ...] = ()

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """The Arrow schema, generated columns included; field metadata carries the description."""
        return pa.schema(
            [
                pa.field(c.name, c.type, nullable=c.nullable, metadata={"description": c.description})
                for c in self.columns
            ]
        )

    @cached_property
    def stored_columns(self) -> tuple[str, ...]:
        """The names of the columns that are stored, in order."""
        return tuple(column.name for column in self.columns if not column.generated)

    @property
    def ddl(self) -> str:
        """CREATE TABLE for DuckDB.

        No PRIMARY KEY: its index slows every load, and a row could not be deleted and inserted again in one
        transaction. Keys are checked by query before publishing.
        """
        body = ",\n  ".join(column.ddl for column in self.columns)
        return f"CREATE TABLE {quote(self.name)} (\n  {body}\n)"

    @property
    def comments(self) -> list[str]:
        """COMMENT ON statements that store the descriptions of the table and its columns in DuckDB."""
        statements = [f"COMMENT ON TABLE {quote(self.name)} IS {literal(self.description)}"]
        statements += [
            f"COMMENT ON COLUMN {quote(self.name)}.{quote(c.name)} IS {literal(c.description)}" for c in self.columns
        ]
        return statements

    def create(self, execute: Callable[[str], object]) -> None:
        """Create the table with its comments, through a connection's `execute`."""
        for statement in (self.ddl, *self.comments):
            execute(statement)

    @cached_property
    def all_rules(self) -> tuple[Rule, ...]:
        """The rules that every table has (required columns are present, the key is unique), then the declared ones."""
        required = tuple(
            Rule(f"{c.name}_is_present", c.name, f"{c.name} is never NULL", _is_present(c.name))
            for c in self.columns
            if not c.nullable
        )
        unique = Rule("key_is_unique", self.key[0], f"({', '.join(self.key)}) is unique", _is_unique(self.key))
        return (*required, unique, *self.rules)

    def from_columns(self, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
        """An Arrow table of this schema from one sequence per column; times are microseconds since 1970 UTC.

        A pa.ChunkedArray is used as it is and must have the declared type.
        """
        arrays = [
            values if isinstance(values := columns[f.name], pa.ChunkedArray) else pa.array(values, type=f.type)
            for f in self.arrow_schema
        ]
        return pa.Table.from_arrays(arrays, schema=self.arrow_schema)


def _is_present(column: str) -> Callable[[pa.Table], Any]:
    return lambda table: pc.is_valid(table[column])


def _is_unique(key: tuple[str, ...]) -> Callable[[pa.Table], Any]:
    """True for the first row of each key, false for every later one."""

    def holds(table: pa.Table) -> pa.Array:
        numbered = table.select(list(key)).append_column("#row", pa.arange(0, table.num_rows))
        first = numbered.group_by(list(key)).aggregate([("#row", "min")])["#row_min"]
        return pc.is_in(numbered["#row"], value_set=first.combine_chunks())

    return holds
