"""What was read: feature columns without labels and ids, and the fingerprint that identifies them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl_ad.data.conversion import is_binary, is_text


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Table:
    """The rows of a study, labels and ids already removed."""

    columns: pa.Table
    """Feature columns, in file order."""
    row_ids: pa.Array | None
    """Values of the id column, never a feature; None when there is none."""
    row_positions: npt.NDArray[np.int64]
    """[N], position of each row in the whole source; ascending as read."""
    n_source_rows: int
    fingerprint: str
    """sha256 over schema and content of the kept rows."""
    sources: tuple[str, ...]
    """The files, resolved."""
    groups_N: npt.NDArray[np.int64] | None = None
    """[N], group of each row as read, never a feature; None without a group column."""
    group_names: tuple[str | None, ...] | None = None
    """[K], what each group is called; None for the rows without a value in the group column."""

    def __len__(self) -> int:
        return int(self.columns.num_rows)

    def take(self, indices: npt.ArrayLike) -> Table:
        """The rows at `indices`, in that order, with the fingerprint of just these rows."""
        index_N = np.asarray(indices, dtype=np.int64)
        columns = self.columns.take(index_N)
        groups_N = None if self.groups_N is None else self.groups_N[index_N]
        return Table(
            columns=columns,
            row_ids=None if self.row_ids is None else self.row_ids.take(pa.array(index_N)),
            row_positions=self.row_positions[index_N],
            n_source_rows=self.n_source_rows,
            fingerprint=fingerprint(columns, groups_N),
            sources=self.sources,
            groups_N=groups_N,
            group_names=self.group_names,
        )


def fingerprint(columns: pa.Table, groups_N: npt.NDArray[np.int64] | None = None) -> str:
    """sha256 (hex) over names, types and values; the same however rows are cut into chunks or row groups.

    Columns of nested types count with their name and type only: they never become features. Groups count
    when there are any.
    """
    digest = hashlib.sha256(f"rows={columns.num_rows}".encode())
    for field, column in zip(columns.schema, columns.columns, strict=True):
        digest.update(f"\0{field.name}\0{field.type}\0".encode())
        _hash_values(digest, column)
    if groups_N is not None:
        digest.update(b"\0groups\0" + groups_N.tobytes())
    return digest.hexdigest()


def _hash_values(digest: Any, column: pa.ChunkedArray) -> None:
    """Feed validity, then values; every pass runs over all chunks, so their borders leave no trace."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_nested(column.type) or isinstance(column.type, pa.BaseExtensionType):
        return
    for chunk in column.chunks:
        digest.update(chunk.is_valid().to_numpy(zero_copy_only=False).tobytes())
    if pa.types.is_null(column.type):
        return
    if is_text(column.type) or is_binary(column.type):
        _hash_bytes(digest, column)
    else:
        _hash_fixed(digest, column)


def _hash_bytes(digest: Any, column: pa.ChunkedArray) -> None:
    """Feed the lengths, then the bytes; missing counts as empty (validity was fed before)."""
    chunks = [chunk.cast(pa.large_binary()) for chunk in column.chunks]
    for chunk in chunks:
        lengths = pc.fill_null(pc.binary_length(chunk), 0).cast(pa.int64())
        digest.update(lengths.to_numpy(zero_copy_only=False).tobytes())
    for chunk in chunks:
        filled = chunk.fill_null(b"") if chunk.null_count else chunk
        _, offsets, data = filled.buffers()
        if len(filled) and data is not None:
            first, last = np.frombuffer(offsets, np.int64)[[filled.offset, filled.offset + len(filled)]]
            digest.update(memoryview(data)[first:last])


def _hash_fixed(digest: Any, column: pa.ChunkedArray) -> None:
    """Feed the values of a type with fixed width, missing ones as zero."""
    for chunk in column.chunks:
        plain = chunk
        if pa.types.is_boolean(chunk.type):
            plain = chunk.cast(pa.uint8())
        width = plain.type.bit_width // 8
        values = np.frombuffer(plain.buffers()[1] or b"", np.uint8)
        values = values[plain.offset * width : (plain.offset + len(plain)) * width].reshape(len(plain), width)
        if plain.null_count:
            values = values * plain.is_valid().to_numpy(zero_copy_only=False)[:, None]
        digest.update(np.ascontiguousarray(values).tobytes())
