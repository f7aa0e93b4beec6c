"""automl_ad.rpc.v1 on the server: request -> rows, scores -> response. `packing` is the client's half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.errors import RowsError
from automl_ad.rpc.rows import Rows, check_count, check_names, check_width
from automl_ad.rpc.v1 import scoring_pb2 as pb

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.data import Schema
    from automl_ad.results import AnomalyScores

_KINDS = {
    "numeric": pb.FEATURE_KIND_NUMERIC,
    "boolean": pb.FEATURE_KIND_BOOLEAN,
    "categorical": pb.FEATURE_KIND_CATEGORICAL,
    "timestamp": pb.FEATURE_KIND_TIMESTAMP,
    "image": pb.FEATURE_KIND_IMAGE,
}
_TAKES = {
    "numeric": ("numbers",),
    "boolean": ("booleans", "numbers"),
    "categorical": ("strings",),
    "timestamp": ("timestamps",),
    "image": ("images",),
}
"""Kind of a feature -> the members of Column.values that may carry it."""
_ARROW = {
    "numbers": pa.float64(),
    "strings": pa.string(),
    "booleans": pa.bool_(),
    "timestamps": pa.timestamp("us", tz="UTC"),
    "images": pa.binary(),
}


def rows_of(request: pb.ScoreRequest, schema: Schema, max_rows: int) -> Rows:
    """The rows of a request, as `Scorer.score` takes them. RowsError: they do not fit the schema."""
    match request.WhichOneof("rows"):
        case "float_matrix":
            return _matrix(request.float_matrix, np.float32, schema, max_rows)
        case "double_matrix":
            return _matrix(request.double_matrix, np.float64, schema, max_rows)
        case "columns":
            return _table(request.columns, schema, max_rows)
    raise RowsError(
        "a request must carry rows, got none", "set float_matrix, double_matrix or columns in ScoreRequest"
    )


def score_response(scores: AnomalyScores) -> pb.ScoreResponse:
    """The wire form of scores."""
    return pb.ScoreResponse(
        model=scores.model,
        model_version=scores.version,
        anomaly_score=scores.anomaly_score.tolist(),
        percentile=scores.percentile.tolist(),
        is_anomaly=scores.is_anomaly.tolist(),
        threshold=scores.threshold,
    )


def model_of(scorer: Scorer, max_rows: int) -> pb.Model:
    """What a client must know of a model."""
    features = [
        pb.Feature(name=feature.name, kind=_KINDS[feature.kind], is_nullable=feature.is_nullable)
        for feature in scorer.schema.features
    ]
    return pb.Model(name=scorer.name, version=scorer.version, features=features, max_rows=max_rows)


def _matrix(
    matrix: pb.FloatMatrix | pb.DoubleMatrix, dtype: npt.DTypeLike, schema: Schema, max_rows: int
) -> npt.NDArray[np.floating]:
    check_width(matrix.n_features, schema)
    n_rows, left_over = divmod(len(matrix.values), matrix.n_features)
    if left_over:
        raise RowsError(
            f"the number of values must be a multiple of n_features = {matrix.n_features}, "
            f"got {len(matrix.values)}"
        )
    check_count(n_rows, max_rows)
    return np.asarray(matrix.values, dtype=dtype).reshape(n_rows, matrix.n_features)


def _table(columns: pb.Columns, schema: Schema, max_rows: int) -> pa.Table:
    check_names([column.name for column in columns.columns], schema)
    by_name = {column.name: column for column in columns.columns}
    n_rows = _length(columns.columns[0])
    check_count(n_rows, max_rows)
    return pa.table({f.name: _array(by_name[f.name], f.kind, n_rows) for f in schema.features})


def _array(column: pb.Column, kind: str, n_rows: int) -> pa.Array:
    carrier = column.WhichOneof("values") or "nothing"
    if carrier not in _TAKES[kind]:
        takes = " or ".join(_TAKES[kind])
        raise RowsError(f"column {column.name!r} is {kind} and takes {takes}, got {carrier}")
    if _length(column) != n_rows:
        raise RowsError(
            f"all columns must have {n_rows} values like the first, got {_length(column)} in {column.name!r}"
        )
    values = getattr(column, carrier).values
    plain = list(values) if carrier in ("strings", "images") else np.asarray(values)
    return pa.array(plain, type=_ARROW[carrier], mask=_null_mask(column, n_rows))


def _null_mask(column: pb.Column, n_rows: int) -> npt.NDArray[np.bool_] | None:
    if not column.nulls:
        return None
    positions = np.asarray(column.nulls)
    if positions.max() >= n_rows:
        raise RowsError(
            f"nulls of column {column.name!r} must be positions below {n_rows}, got {positions.max()}"
        )
    mask = np.zeros(n_rows, dtype=bool)
    mask[positions] = True
    return mask


def _length(column: pb.Column) -> int:
    carrier = column.WhichOneof("values")
    return len(getattr(column, carrier).values) if carrier else 0
