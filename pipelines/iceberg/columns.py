"""The columns of an Iceberg table: made from the columns of a published table, and changed with them.

Iceberg knows a column by its id. It may add and drop columns, and widen int to long and float to double; a column that
changes its type otherwise becomes a new column of the same name, so that all its rows must be written again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
from pyiceberg.exceptions import ResolveError
from pyiceberg.schema import Schema, promote
from pyiceberg.table import Transaction
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    TimestamptzType,
)

from schemas.table import BIGINT, BOOLEAN, BYTES, DOUBLE, INTEGER, TEXT, TIMESTAMP

ICEBERG_TYPES: dict[pa.DataType, IcebergType] = {
    TEXT: StringType(),
    BYTES: BinaryType(),
    BOOLEAN: BooleanType(),
    INTEGER: IntegerType(),
    BIGINT: LongType(),
    DOUBLE: DoubleType(),
    TIMESTAMP: TimestamptzType(),
}
"""The Iceberg type of every type of a single value that a published table uses."""


def iceberg_type(type_: pa.DataType, *, element_id: int = 0) -> IcebergType:
    """The Iceberg type of a published column; the element of a list gets the id `element_id`."""
    if pa.types.is_list(type_):
        return ListType(element_id, iceberg_type(type_.value_type), element_required=False)
    return ICEBERG_TYPES[type_]


def new_schema(published: pa.Schema, key: Collection[str]) -> Schema:
    """The schema of a new Iceberg table. `key` names the columns that identify a row, which are required."""
    fields = [
        NestedField(
            number,
            column.name,
            iceberg_type(column.type, element_id=len(published) + number),
            required=not column.nullable or column.name in key,
            doc=_description(column),
        )
        for number, column in enumerate(published, start=1)
    ]
    return Schema(*fields, identifier_field_ids=[field.field_id for field in fields if field.name in key])


@dataclass(frozen=True)
class ColumnChanges:
    """How the columns of a table differ from the published ones."""

    dropped: list[str]
    retyped: list[str]
    added: list[pa.Field]
    widened: list[pa.Field]
    now_optional: list[str]

    @classmethod
    def between(cls, schema: Schema, published: pa.Schema) -> ColumnChanges:
        """The changes that give a table of this schema the published columns."""
        current = {field.name: field for field in schema.fields}
        common = [column for column in published if column.name in current]
        retyped = [column for column in common if _is_retyped(current[column.name], column)]
        kept = [column for column in common if column not in retyped]
        return cls(
            dropped=[name for name in current if name not in published.names],
            retyped=[column.name for column in retyped],
            # A new column is optional: the stored rows have no value for it.
            added=[column for column in published if column.name not in current or column in retyped],
            widened=[column for column in kept if not _is_same(current[column.name], column)],
            now_optional=[
                column.name
                for column in kept
                if current[column.name].required
                and column.nullable
                and column.name not in schema.identifier_field_names()
            ],
        )

    def __bool__(self) -> bool:
        return bool(self.dropped or self.added or self.widened or self.now_optional)

    def apply(self, transaction: Transaction) -> None:
        """Change the columns of the table of a transaction."""
        with transaction.update_schema() as update:
            for name in (*self.dropped, *self.retyped):
                update.delete_column((name,))
            for column in self.added:
                update.add_column((column.name,), iceberg_type(column.type), doc=_description(column))
            for column in self.widened:
                update.update_column((column.name,), field_type=iceberg_type(column.type))
            for name in self.now_optional:
                update.make_column_optional((name,))


def _is_same(field: NestedField, column: pa.Field) -> bool:
    # Spelled, as the elements of equal lists have different ids.
    return str(field.field_type) == str(iceberg_type(column.type))


def _is_retyped(field: NestedField, column: pa.Field) -> bool:
    """Whether a column has a type that Iceberg cannot widen to the published one."""
    if _is_same(field, column):
        return False
    wanted = iceberg_type(column.type)
    try:
        return promote(field.field_type, wanted) != wanted
    except ResolveError:
        return True


def _description(column: pa.Field) -> str | None:
    description = (column.metadata or {}).get(b"description")
    return description.decode() if description else None
