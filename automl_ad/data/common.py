"""The one schema that all files of a study share, or an error naming the file and column that differ."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from automl_ad.data.files import file_schema
from automl_ad.data.sources import SourceFile
from automl_ad.errors import DataError


def common_schema(files: Sequence[SourceFile], *, exact: str | None = None) -> pa.Schema:
    """Columns and types of all files together, in the order of the first, partition columns last.

    Types must be equal; only a column without any value fits every type. In CSV files integers are read as
    floats, because the first block decides the type and a fraction may come later; the column `exact` (ids)
    keeps its type. Raises DataError.
    """
    first, *others = files
    schema = _read_schema(first, exact)
    for file in others:
        schema = _merged(schema, _read_schema(file, exact), first.name, file.name)
    partitions = _partition_fields(files, schema)
    return pa.schema([*schema, *partitions])


def _read_schema(file: SourceFile, exact: str | None) -> pa.Schema:
    schema = file_schema(file)
    if file.format == "parquet":
        return pa.schema([pa.field(column.name, _viewless(column.type)) for column in schema])
    return pa.schema(
        [
            pa.field(column.name, column.type if column.name == exact else _widened(column.type))
            for column in schema
        ]
    )


def _viewless(kind: pa.DataType) -> pa.DataType:
    """View types as their plain twins: Arrow cannot pick rows out of views (no `take`, pyarrow 26)."""
    return {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}.get(kind, kind)


def _widened(kind: pa.DataType) -> pa.DataType:
    return pa.float64() if pa.types.is_integer(kind) or pa.types.is_null(kind) else kind


def _merged(schema: pa.Schema, other: pa.Schema, first_name: str, name: str) -> pa.Schema:
    """The schema with the types of columns that had no value so far. Raises DataError at a difference."""
    for column in schema.names:
        if column not in other.names:
            raise _mixed(f"{name} has no column '{column}', which {first_name} has")
    for field in other:
        if field.name not in schema.names:
            raise _mixed(f"{name} has a column '{field.name}', which {first_name} has not")
    return pa.schema([_merged_field(field, other.field(field.name), first_name, name) for field in schema])


def _merged_field(field: pa.Field, other: pa.Field, first_name: str, name: str) -> pa.Field:
    if field.type == other.type or pa.types.is_null(other.type):
        return field
    if pa.types.is_null(field.type):
        return other
    raise _mixed(f"column '{field.name}' is {other.type} in {name} and {field.type} in {first_name}")


def _mixed(found: str) -> DataError:
    return DataError(
        f"all files must have the same columns and types, got a difference: {found}",
        "write the files with one schema, or search them one by one",
    )


def _partition_fields(files: Sequence[SourceFile], schema: pa.Schema) -> list[pa.Field]:
    """The partition columns: int64 when all values are whole numbers, else string."""
    names = dict.fromkeys(key for file in files for key in file.partition if key not in schema.names)
    return [pa.field(name, _partition_type([file.partition.get(name) for file in files])) for name in names]


def _partition_type(values: Sequence[str | None]) -> pa.DataType:
    present = [value for value in values if value is not None]
    is_whole = bool(present) and all(value.lstrip("-").isdecimal() for value in present)
    return pa.int64() if is_whole else pa.string()
