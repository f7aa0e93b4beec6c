"""Arrow IPC bytes from a stranger -> a table that is safe to score.

Whatever the bytes, the outcome is a table or RowsError, and the memory is a small multiple of their number:
`arrow_messages` looks first, then Arrow reads, then every offset, index and text is validated.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from automl_ad.errors import RowsError
from automl_ad.rpc.options import Limits
from automl_ad.rpc.wire.arrow_messages import ColumnHeader, read_header
from automl_ad.rpc.wire.rows import GROUP, RowShape

_NUMBERS = frozenset({"null", "int", "float", "decimal", "bool"})
_TEXTS = frozenset({"null", "string"})
_TIMES = frozenset({"null", "timestamp", "date", "string"})
_TAKES: Mapping[str, Collection[str]] = {
    "numeric": _NUMBERS,
    "boolean": _NUMBERS,
    "categorical": _TEXTS,
    "timestamp": _TIMES,
    "image": frozenset({"binary"}),
    GROUP: _NUMBERS | _TIMES,
}
"""Kind of a feature -> what may carry it, as the library's own reading converts safely."""


def table_of(content: bytes, shape: RowShape, limits: Limits) -> pa.Table:
    """The rows of an Arrow IPC stream. Raises RowsError: not such a stream, or its rows do not fit."""
    header = read_header(content, max_columns=limits.max_columns)
    shape.check_names([column.name for column in header.columns], limits)
    shape.check_count(header.n_rows, limits)
    kinds = shape.kinds
    for column in header.columns:
        _check_type(column, kinds[column.name])
    table = _read(content)
    if table.num_rows != header.n_rows:
        raise RowsError(f"arrow_ipc announces {header.n_rows} rows, got {table.num_rows}")
    _check_texts(table, limits.max_message_bytes)
    return table


def _check_type(column: ColumnHeader, kind: str) -> None:
    takes = _TAKES[kind]
    if column.type not in takes:
        raise RowsError(
            f"column {column.name!r} is {kind} and takes {' or '.join(sorted(takes))}, got {column.type}",
            "cast the column",
        )
    if column.is_dictionary and column.type != "string":
        raise RowsError(
            f"only strings may be dictionary-encoded, got {column.type} in column {column.name!r}",
            "send the values themselves",
        )


def _read(content: bytes) -> pa.Table:
    """The table, validated in full: a wrong offset would otherwise be followed wherever it leads."""
    try:
        with pa.ipc.open_stream(pa.py_buffer(content)) as reader:
            batches = list(reader)
            for batch in batches:
                batch.validate(full=True)
            return pa.Table.from_batches(batches, reader.schema.remove_metadata())
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise RowsError(
            f"arrow_ipc must be an Arrow IPC stream, got one that Arrow refuses: {reason}"
        ) from None


def _check_texts(table: pa.Table, max_bytes: int) -> None:
    """A dictionary must not make rows larger than they could be without one: scoring decodes it."""
    n_bytes = sum(
        _decoded_bytes(column.chunks) for column in table.columns if pa.types.is_dictionary(column.type)
    )
    if n_bytes > max_bytes:
        raise RowsError(
            f"texts of a request may have at most {max_bytes} bytes without their dictionary, got {n_bytes}",
            "split the rows over several requests",
        )


def _decoded_bytes(chunks: Iterable[Any]) -> int:
    lengths = (pc.binary_length(chunk.dictionary).cast(pa.int64()).take(chunk.indices) for chunk in chunks)
    return sum(pc.sum(length).as_py() or 0 for length in lengths)
