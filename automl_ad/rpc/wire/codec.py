"""automl_ad.rpc.v1 on the server: request -> rows, scores -> response. `packing` is the client's half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.errors import RowsError
from automl_ad.rpc.options import Limits
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.wire.arrow import table_of
from automl_ad.rpc.wire.descriptions import details_of as details_of
from automl_ad.rpc.wire.descriptions import model_of as model_of
from automl_ad.rpc.wire.rows import GROUP, Rows, RowShape

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.results import AnomalyScores, Explanations

_TAKES = {
    "numeric": ("numbers",),
    "boolean": ("booleans", "numbers"),
    "categorical": ("strings",),
    "timestamp": ("timestamps",),
    "image": ("images",),
    GROUP: ("strings", "numbers", "booleans", "timestamps"),
}
"""Kind of a column -> the members of Column.values that may carry it."""
_ARROW = {
    "numbers": pa.float64(),
    "strings": pa.string(),
    "booleans": pa.bool_(),
    "timestamps": pa.timestamp("us", tz="UTC"),
    "images": pa.binary(),
}


def rows_of(request: pb.ScoreRequest, scorer: Scorer, limits: Limits) -> Rows:
    """The rows of a request, as `Scorer.score` takes them. RowsError: they do not fit the model."""
    shape = RowShape.of(scorer)
    match request.WhichOneof("rows"):
        case "float_matrix":
            return _matrix(request.float_matrix, np.float32, shape, limits)
        case "double_matrix":
            return _matrix(request.double_matrix, np.float64, shape, limits)
        case "packed_matrix":
            return _packed(request.packed_matrix, shape, limits)
        case "columns":
            return _table(request.columns, shape, limits)
        case "arrow_ipc":
            return table_of(request.arrow_ipc, shape, limits)
    raise RowsError(
        "a request must carry rows, got none",
        "set packed_matrix, float_matrix, double_matrix, columns or arrow_ipc in ScoreRequest",
    )


def score_response(scores: AnomalyScores) -> pb.ScoreResponse:
    """The wire form of scores."""
    own = scores.row_threshold
    return pb.ScoreResponse(
        model=scores.model,
        model_version=scores.version,
        anomaly_score=scores.anomaly_score.tolist(),
        percentile=scores.percentile.tolist(),
        is_anomaly=scores.is_anomaly.tolist(),
        threshold=scores.threshold,
        row_threshold=() if own is None else own.tolist(),
    )


def explain_response(explanations: Explanations, scorer: Scorer) -> pb.ExplainResponse:
    """The wire form of explanations."""
    rows = zip(
        explanations.anomaly_score.tolist(),
        explanations.contributions.tolist(),
        explanations.standard_errors.tolist(),
        strict=True,
    )
    return pb.ExplainResponse(
        model=scorer.name,
        model_version=scorer.version,
        features=explanations.features,
        explanations=[
            pb.Explanation(anomaly_score=score, contributions=contributions, standard_errors=errors)
            for score, contributions, errors in rows
        ],
        reference_score=explanations.reference_score,
    )


def _matrix(
    matrix: pb.FloatMatrix | pb.DoubleMatrix, dtype: npt.DTypeLike, shape: RowShape, limits: Limits
) -> npt.NDArray[np.floating]:
    n_rows = _height(len(matrix.values), "values", matrix.n_features, shape, limits)
    return np.asarray(matrix.values, dtype=dtype).reshape(n_rows, matrix.n_features)


def _packed(matrix: pb.PackedMatrix, shape: RowShape, limits: Limits) -> npt.NDArray[np.floating]:
    n_values, left_over = divmod(len(matrix.float32_values), 4)
    if left_over:
        raise RowsError(f"float32_values must be numbers of 4 bytes, got {len(matrix.float32_values)} bytes")
    n_rows = _height(n_values, "float32_values", matrix.n_features, shape, limits)
    return np.frombuffer(matrix.float32_values, dtype="<f4").reshape(n_rows, matrix.n_features)


def _height(n_values: int, field: str, n_features: int, shape: RowShape, limits: Limits) -> int:
    """Rows of a matrix with that many values, checked."""
    shape.check_width(n_features)
    n_rows, left_over = divmod(n_values, n_features)
    if left_over:
        raise RowsError(
            f"the number of {field} must be a multiple of n_features = {n_features}, got {n_values}"
        )
    shape.check_count(n_rows, limits)
    return n_rows


def _table(columns: pb.Columns, shape: RowShape, limits: Limits) -> pa.Table:
    shape.check_names([column.name for column in columns.columns], limits)
    by_name = {column.name: column for column in columns.columns}
    n_rows = _length(columns.columns[0])
    shape.check_count(n_rows, limits)
    return pa.table(
        {name: _array(by_name[name], kind, n_rows) for name, kind in shape.kinds.items() if name in by_name}
    )


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
