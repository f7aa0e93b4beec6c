"""From an Arrow column to plain values of one meaning, or a refusal that names column, row and rule.

The one place that decides which types convert safely. Missing is null or NaN. Shapes: N rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl_ad.data.schema import Feature
from automl_ad.errors import RowsError

Numbers = npt.NDArray[np.float64]
UNITS_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
SECONDS_PER_DAY = 86_400
FLOAT64 = pa.float64()


def decoded(column: Any) -> Any:
    """The column without dictionary encoding."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def is_number(kind: pa.DataType) -> bool:
    """Whether values of this type are numbers or booleans (None of them: the null type)."""
    is_real = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    return bool(is_real or pa.types.is_boolean(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of this type are strings."""
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def is_time(kind: pa.DataType) -> bool:
    """Whether values of this type are points in time."""
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def is_binary(kind: pa.DataType) -> bool:
    """Whether values of this type are bytes."""
    return any(test(kind) for test in (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view))


def numbers_of(column: Any, name: str) -> Numbers:
    """[N] float64, NaN where missing; booleans become 0 and 1. Raises RowsError for any other type."""
    if column.type != FLOAT64:
        column = decoded(column)
        if not (is_number(column.type) or pa.types.is_null(column.type)):
            raise _wrong_type(column, name, "numbers")
        column = column.cast(FLOAT64, safe=False)
    return np.asarray(column.to_numpy(zero_copy_only=False))


def texts_of(column: Any, name: str) -> Any:
    """The column as `large_string`. Raises RowsError for any other type than text."""
    plain = decoded(column)
    if not (is_text(plain.type) or pa.types.is_null(plain.type)):
        raise _wrong_type(plain, name, "text")
    return plain.cast(pa.large_string())


def seconds_of(column: Any, name: str) -> Numbers:
    """[N] seconds since 1970 in UTC, NaN where missing. Times without a zone count as UTC.

    ISO 8601 text is read too, because JSON knows no other times. Raises RowsError for anything else.
    """
    plain = decoded(column)
    if is_text(plain.type):
        plain = _parsed(plain, name)
    kind = plain.type
    if pa.types.is_timestamp(kind):
        return numbers_of(plain.cast(pa.int64()), name) / UNITS_PER_SECOND[kind.unit]
    if pa.types.is_date32(kind):
        return numbers_of(plain.cast(pa.int32()), name) * SECONDS_PER_DAY
    if pa.types.is_date64(kind):
        return numbers_of(plain.cast(pa.int64()), name) / UNITS_PER_SECOND["ms"]
    if pa.types.is_null(kind):
        return np.full(len(plain), np.nan)
    raise _wrong_type(plain, name, "points in time")


def columns_with_missing(columns: pa.Table) -> frozenset[str]:
    """Names of the columns in which a null or NaN stands."""
    return frozenset(
        name
        for name in columns.column_names
        if columns.column(name).null_count or _has_nan(decoded(columns.column(name)))
    )


def _has_nan(column: Any) -> bool:
    return bool(pa.types.is_floating(column.type) and pc.any(pc.is_nan(column.cast(FLOAT64))).as_py())


def require_present(is_missing_N: npt.NDArray[np.bool_], feature: Feature) -> None:
    """Raise RowsError at the first missing value, unless the feature is nullable."""
    if not feature.is_nullable and is_missing_N.any():
        raise RowsError(
            f"column '{feature.name}' must not be missing, got null or NaN in row {is_missing_N.argmax()}",
            "it had no missing values when the detector was fitted; fill it in, or leave the row out",
        )


def require_finite(values_N: Numbers, name: str) -> None:
    """Raise RowsError at the first infinity; NaN passes."""
    is_infinite_N = np.isinf(values_N)
    if is_infinite_N.any():
        row = int(is_infinite_N.argmax())
        raise RowsError(
            f"column '{name}' must be finite, got {values_N[row]} in row {row}", "send null when missing"
        )


def _parsed(column: Any, name: str) -> Any:
    """Text as timestamps: all with a zone, or all without. Raises RowsError naming the row."""
    for zone in (None, "UTC"):
        try:
            return column.cast(pa.timestamp("us", zone))
        except pa.ArrowInvalid:
            continue
    row, value = next((i, v) for i, v in enumerate(column.to_pylist()) if v is not None and not _is_time(v))
    raise RowsError(
        f"column '{name}' must hold ISO 8601 times, got '{value[:40]}' in row {row}",
        "write times like 2026-03-01T12:30:00Z, all with a zone or all without",
    )


def _is_time(text: str) -> bool:
    try:
        pc.cast(pa.scalar(text), pa.timestamp("us"))
    except pa.ArrowInvalid:
        return False
    return True


def _wrong_type(column: Any, name: str, wanted: str) -> RowsError:
    """The error with the first value that is there."""
    row = int(column.is_valid().to_numpy(zero_copy_only=False).argmax()) if len(column) else 0
    value = repr(column[row].as_py())[:40] if len(column) else "no rows"
    return RowsError(
        f"column '{name}' must hold {wanted}, got {column.type} {value} in row {row}",
        "convert the column to the type the detector was fitted on",
    )
