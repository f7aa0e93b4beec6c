"""What both codecs demand of a request's rows before anything is decoded: how many, and which columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.errors import RowsError, did_you_mean

if TYPE_CHECKING:
    from automl_ad.data import Schema

Rows = npt.NDArray[np.floating] | pa.Table
"""A matrix [M, F] in schema order, or a table with the schema's columns: what `Scorer.score` takes."""


def check_count(n_rows: int, max_rows: int) -> None:
    """Raise RowsError unless there are between 1 and max_rows rows."""
    if n_rows < 1:
        raise RowsError(f"a request must carry at least one row, got {n_rows}")
    if n_rows > max_rows:
        raise RowsError(
            f"a request may carry at most {max_rows} rows, got {n_rows}",
            "split the rows over several requests",
        )


def check_width(n_features: int, schema: Schema) -> None:
    """Raise RowsError unless rows can be plain numbers and have that many features."""
    if not schema.is_all_numeric:
        other = next(feature for feature in schema.features if feature.kind not in ("numeric", "boolean"))
        raise RowsError(
            f"a matrix needs numeric features only, but {other.name!r} is {other.kind}",
            "send the rows by columns",
        )
    if n_features != len(schema.features):
        raise RowsError(f"a row must have {len(schema.features)} features, got {n_features}")


def check_names(names: Sequence[str], schema: Schema) -> None:
    """Raise RowsError unless the names are those of the schema's features, each once, in any order."""
    known = schema.feature_names
    _refuse_unknown(names, known)
    for name in known:
        if name not in names:
            raise RowsError(f"column {name!r} is missing", f"the model needs {len(known)} columns")
    if len(names) > len(known):
        twice = next(name for name in names if names.count(name) > 1)
        raise RowsError(f"column {twice!r} is given twice")


def _refuse_unknown(names: Sequence[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise RowsError(f"the model has no column {name!r}", did_you_mean(name, known))
