"""The group column: the known category of every row, which is never a feature.

Shapes: N rows, K groups.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl_ad.data.conversion import decoded, is_number, is_text, is_time, numbers_of, seconds_of, texts_of
from automl_ad.errors import DataError

MAX_GROUPS = 1_000
"""More values than this measure or name rows; a classifier of them would dwarf the networks it serves."""
MIN_ROWS_PER_GROUP = 2
"""On average; fewer say nothing about what is usual in a group."""


def group_ids(column: Any, name: str) -> npt.NDArray[np.int64]:
    """[N], 0 to K - 1 in the order of appearance. Rows without a value are a group of their own.

    Raises DataError for values that cannot be categories, for fewer than two groups, and for too many.
    """
    plain = _with_nan_as_null(decoded(column), name)
    codes = plain.dictionary_encode(null_encoding="encode")
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    n_groups = len(codes.dictionary)
    highest = min(MAX_GROUPS, len(plain) // MIN_ROWS_PER_GROUP)
    if not 2 <= n_groups <= highest:
        raise DataError(
            f"--group-column must have 2 to {highest:,} different values in {len(plain):,} rows, "
            f"got {n_groups:,} in '{name}'",
            "leave it out, or name a column that tells kinds of rows apart",
        )
    return np.asarray(codes.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def group_names(column: Any, name: str, groups_N: npt.NDArray[np.int64]) -> tuple[str | None, ...]:
    """[K], the text of each group of `group_ids`; None for rows without a value."""
    first_K = np.unique(groups_N, return_index=True)[1]
    return tuple(group_texts(column, name).take(pa.array(first_K)).to_pylist())


def group_texts(column: Any, name: str) -> Any:
    """[N] text by which a group is known wherever its rows come from, null where they have no value.

    Numbers are written alike whether they were read as 1 or as 1.0, points in time as seconds since 1970.
    Raises RowsError for values that cannot be categories.
    """
    plain = decoded(column)
    kind = plain.type
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind):
        return plain.cast(pa.large_string())
    if not (is_number(kind) or is_time(kind)):
        return texts_of(plain, name)
    values_N = seconds_of(plain, name) if is_time(kind) else numbers_of(plain, name)
    values_K, groups_N = np.unique(values_N, return_inverse=True)
    texts = [None if np.isnan(value) else repr(float(value)).removesuffix(".0") for value in values_K]
    return pa.array(texts, pa.large_string()).take(pa.array(groups_N))


def _with_nan_as_null(column: Any, name: str) -> Any:
    kind = column.type
    if not (is_number(kind) or is_text(kind) or is_time(kind) or pa.types.is_null(kind)):
        raise DataError(
            f"--group-column must hold numbers, booleans, text or times, got {kind} in '{name}'",
            "leave it out, or name another column",
        )
    if not pa.types.is_floating(kind):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
