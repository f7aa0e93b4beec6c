"""Which rows of the panel are anomalies, read from the quarantined label column after selection."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl_ad.data import read_column_at
from automl_ad.errors import DataError


def read_labels(
    sources: tuple[str, ...], column: str, positions: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """[N], True for anomalies, at the given row positions of the sources.

    Raises DataError unless the column holds booleans or the numbers 0 and 1, both of them, and no null.
    """
    values = read_column_at(sources, column, positions)
    if pa.types.is_nested(values.type):
        raise DataError(f"label column {column!r} must hold 0 and 1, got {values.type}", "no audit is made")
    distinct = pc.unique(values).to_pylist()
    if not set(distinct) <= {0, 1} or None in distinct:
        found = ", ".join(repr(value) for value in distinct[:5])
        raise DataError(
            f"label column {column!r} must hold 0 and 1 (or false and true), got {found}",
            "the search is not affected; write 1 for anomalies to get an audit",
        )
    labels = np.asarray(values.cast(pa.int64()).to_numpy(zero_copy_only=False)).astype(bool)
    if labels.all() or not labels.any():
        raise DataError(
            f"label column {column!r} must hold both kinds on the panel, got only {int(labels[0])}",
            "the search is not affected; an audit needs normal rows and anomalies",
        )
    return labels
