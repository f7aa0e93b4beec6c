"""automl_ad.rpc.v1 on the client: rows -> request, rows -> chunks. `wire.codec` is the server's half."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import types

from automl_ad.errors import ConfigError, RowsError
from automl_ad.rpc.v1 import scoring_pb2 as pb

if TYPE_CHECKING:
    import pandas as pd

ClientRows: TypeAlias = (
    "npt.ArrayLike | pa.Table | pa.RecordBatch | pd.DataFrame | Mapping[str, Sequence[Any]]"
)
"""A matrix [M, F] in schema order, or columns by name."""
Packed: TypeAlias = npt.NDArray[Any] | pa.Table
"""Rows in one of the two forms that travel."""


def score_request(rows: ClientRows, *, model: str, version: str) -> pb.ScoreRequest:
    """The request for the rows: singles as packed bytes, doubles as a matrix, named columns as Arrow IPC.

    Raises RowsError for what the wire has no form for.
    """
    packed = as_packed(rows)
    request = pb.ScoreRequest(model=model, model_version=version)
    if isinstance(packed, pa.Table):
        request.arrow_ipc = _ipc_bytes(packed)
    elif packed.dtype == np.float32:
        request.packed_matrix.n_features = packed.shape[1]
        request.packed_matrix.float32_values = packed.astype("<f4", copy=False).tobytes()
    else:
        request.double_matrix.n_features = packed.shape[1]
        request.double_matrix.values.extend(packed.ravel().tolist())
    return request


def chunks(rows: ClientRows, chunk_rows: int) -> Iterator[Packed]:
    """The rows in order, `chunk_rows` at a time, for `score_request`; one empty chunk where there is no row.

    Raises RowsError like it, before the first chunk.
    """
    if chunk_rows < 1:
        raise ConfigError(f"chunk_rows must be at least 1, got {chunk_rows}")
    packed = as_packed(rows)
    return (packed[start : start + chunk_rows] for start in range(0, max(1, len(packed)), chunk_rows))


def as_packed(rows: ClientRows) -> Packed:
    """The rows as a table, or as a matrix of floats. Raises RowsError for anything else."""
    table = _table_of(rows)
    if table is not None:
        return table.replace_schema_metadata(None)
    rows_MF = np.asarray(rows)
    if rows_MF.ndim != 2 or rows_MF.dtype.kind not in "fiub":
        raise RowsError(
            f"rows must be a matrix [M, F] of numbers, got {rows_MF.dtype} of shape {list(rows_MF.shape)}",
            "send columns with names: an arrow table, a data frame, or a mapping",
        )
    return rows_MF if rows_MF.dtype in (np.float32, np.float64) else rows_MF.astype(np.float64)


def own_values(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same rows; `nbytes` of a slice is that of its rows, since no column refers to values of others."""
    kinds = [_unshared(field.type) for field in batch.schema]
    return batch.cast(pa.schema(list(zip(batch.schema.names, kinds, strict=True))))


def _table_of(rows: ClientRows) -> pa.Table | None:
    """The rows as a table if they have named columns; None for a matrix."""
    try:
        if isinstance(rows, pa.Table):
            return rows
        if isinstance(rows, pa.RecordBatch):
            return pa.Table.from_batches([rows])
        if isinstance(rows, Mapping):
            return pa.table(dict(rows))
        if hasattr(rows, "columns") and hasattr(rows, "iloc"):  # a data frame, without importing pandas
            return pa.Table.from_pandas(rows, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise RowsError(
            f"rows must be equally long columns of values of one kind, got: {error}",
            'write for example {"amount": [3.5, 4.0], "country": ["fr", None]}',
        ) from error
    return None


def _ipc_bytes(table: pa.Table) -> bytes:
    """One uncompressed record batch; metadata, which only other tools read, is left behind."""
    columns = [_plain(name, table.column(name)) for name in table.column_names]
    whole = pa.table(columns, names=table.column_names).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, whole.schema, options=pa.ipc.IpcWriteOptions(compression=None)) as writer:
        writer.write_table(whole)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _plain(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column in a type that the server takes: no views, no extensions, dictionaries of text that pay."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return _plain(name, column.cast(kind.storage_type))
    if types.is_dictionary(kind) and not _pays(column):
        return _plain(name, column.cast(kind.value_type))
    if types.is_nested(kind):
        raise RowsError(
            f"column {name!r} of type {kind} cannot be sent", "send a column for each of its values"
        )
    return column if types.is_dictionary(kind) else column.cast(_unshared(kind))


def _pays(column: pa.ChunkedArray) -> bool:
    """Whether a dictionary is of text, and no longer than the column: a slice of few rows has all of it."""
    is_text = types.is_string(column.type.value_type) or types.is_large_string(column.type.value_type)
    return is_text and sum(len(chunk.dictionary) for chunk in column.chunks) <= len(column)


def _unshared(kind: pa.DataType) -> pa.DataType:
    """The type whose arrays have each row's value at its place: no dictionaries, no views."""
    if types.is_dictionary(kind):
        return _unshared(kind.value_type)
    return {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}.get(kind, kind)
