"""automl_ad.rpc.v1 on the client: rows -> request. `codec` is the server's half."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import types

from automl_ad.errors import RowsError
from automl_ad.rpc.v1 import scoring_pb2 as pb


def score_request(
    rows: npt.ArrayLike | pa.Table | pa.RecordBatch | Mapping[str, Sequence[Any]], *, model: str, version: str
) -> pb.ScoreRequest:
    """The request for a matrix [M, F] in schema order, an arrow table, or column name -> values.

    Raises RowsError for what the wire has no form for.
    """
    request = pb.ScoreRequest(model=model, model_version=version)
    if isinstance(rows, Mapping):
        rows = pa.table(dict(rows))
    if isinstance(rows, pa.Table | pa.RecordBatch):
        columns = [_column(name, rows.column(name)) for name in rows.schema.names]
        request.columns.CopyFrom(pb.Columns(columns=columns))
    else:
        _add_matrix(request, np.asarray(rows))
    return request


def _add_matrix(request: pb.ScoreRequest, rows_MF: npt.NDArray[Any]) -> None:
    if rows_MF.ndim != 2 or rows_MF.dtype.kind not in "fiu":
        raise RowsError(
            f"rows must be a matrix [M, F] of numbers, got {rows_MF.dtype} of shape {list(rows_MF.shape)}"
        )
    matrix = request.float_matrix if rows_MF.dtype == np.float32 else request.double_matrix
    matrix.n_features = rows_MF.shape[1]
    matrix.values.extend(rows_MF.ravel().tolist())


def _column(name: str, values: pa.Array | pa.ChunkedArray) -> pb.Column:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    missing = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))
    column = pb.Column(name=name, nulls=missing.tolist())
    for applies, add in _WRITERS:
        if applies(array.type):
            add(column, array)
            return column
    raise RowsError(
        f"column {name!r} of type {array.type} cannot be sent", "cast it to numbers, text or timestamps"
    )


def _add_numbers(column: pb.Column, array: pa.Array) -> None:
    column.numbers.values.extend(array.cast(pa.float64()).fill_null(0.0).to_pylist())


def _add_strings(column: pb.Column, array: pa.Array) -> None:
    column.strings.values.extend(array.cast(pa.string()).fill_null("").to_pylist())


def _add_booleans(column: pb.Column, array: pa.Array) -> None:
    column.booleans.values.extend(array.fill_null(False).to_pylist())


def _add_timestamps(column: pb.Column, array: pa.Array) -> None:
    microseconds = array.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    column.timestamps.values.extend(microseconds.fill_null(0).to_pylist())


def _add_images(column: pb.Column, array: pa.Array) -> None:
    column.images.values.extend(array.fill_null(b"").to_pylist())


def _is_number(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _is_text(kind: pa.DataType) -> bool:
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _is_binary(kind: pa.DataType) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _is_moment(kind: pa.DataType) -> bool:
    return bool(types.is_timestamp(kind) or types.is_date(kind))


_WRITERS: tuple[tuple[Callable[[pa.DataType], bool], Callable[[pb.Column, pa.Array], None]], ...] = (
    (_is_number, _add_numbers),
    (_is_text, _add_strings),
    (types.is_boolean, _add_booleans),
    (_is_moment, _add_timestamps),
    (_is_binary, _add_images),
)
