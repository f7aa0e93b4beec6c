"""Scalers: from encoded float64 features to the float32 that detectors see, affine and then clipped.

Shapes: N rows, D encoded features. A study fits all scalers once (DESIGN section 4); `prep` picks one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_ad.data.schema import DataKind
from automl_ad.errors import ArtifactError

Matrix = npt.NDArray[np.float64]

PREPS: Mapping[DataKind, tuple[str, ...]] = {
    "tabular": ("zscore", "robust", "minmax", "none"),
    "image": ("unit", "pm1", "none"),
}
CLIP = 10.0
"""METHODS 0.2: one wild value must not drown the other features."""
MINMAX_CLIP = (-1.0, 2.0)
"""One whole range beyond either side. Folding into [0, 1] would hide just the values that are out of range,
and without a limit one wild value would drown the other features."""
UNSEEN_SPREAD = 0.1
"""Spread of a column that did not vary (the `other` bucket of a categorical): fitted rows scale to 0, and the
first row that differs by one unit reaches the clip, like a value seen once in 100 rows."""
FLOAT32_MAX = float(np.finfo(np.float32).max)
TINY = float(np.finfo(np.float64).tiny)
HUGE = 1e300
"""Fit sees no larger magnitude, so that sums and ranges stay finite."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Scaler:
    """(x - center) / spread, clipped to [low, high]; spread is never 0."""

    center_D: Matrix
    spread_D: Matrix
    low: float
    high: float

    def __call__(self, encoded_ND: Matrix) -> npt.NDArray[np.float32]:
        """[N, D], always finite for finite input."""
        with np.errstate(over="ignore"):
            scaled_ND = encoded_ND - self.center_D
            scaled_ND /= self.spread_D  # in place: a new matrix per step costs more than the arithmetic
        np.maximum(scaled_ND, self.low, out=scaled_ND)
        np.minimum(scaled_ND, self.high, out=scaled_ND)
        return scaled_ND.astype(np.float32)

    def inverse(self, scaled_ND: npt.NDArray[np.floating]) -> Matrix:
        """[N, D] encoded features; what the clip cut off stays lost."""
        return np.asarray(scaled_ND, dtype=np.float64) * self.spread_D + self.center_D

    def arrays(self) -> dict[str, Matrix]:
        """Everything fitted: `center` [D], `spread` [D], `bounds` [2]."""
        bounds = np.array([self.low, self.high])
        return {"center": self.center_D, "spread": self.spread_D, "bounds": bounds}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], name: str, n_features: int) -> Scaler:
        """The scaler that `arrays` describes. Raises ArtifactError naming the array under `name`."""
        shapes = {"center": (n_features,), "spread": (n_features,), "bounds": (2,)}
        read = {key: checked_array(arrays, f"{name}/{key}", shape) for key, shape in shapes.items()}
        if not (read["spread"] > 0).all():
            raise ArtifactError(f"array '{name}/spread' must be positive, got {read['spread'].min()}")
        low, high = read["bounds"].tolist()
        return cls(center_D=read["center"], spread_D=read["spread"], low=low, high=high)


def fit_scalers(encoded_ND: Matrix, kind: DataKind) -> dict[str, Scaler]:
    """Name of each `prep` -> scaler fitted on just these rows (DESIGN D3)."""
    if kind == "image":
        n_features = encoded_ND.shape[1]
        return {
            "unit": _uniform(n_features, 0.0, 1.0, (0.0, 1.0)),
            "pm1": _uniform(n_features, 0.5, 0.5, (-1.0, 1.0)),
            "none": _uniform(n_features, 0.0, 1.0, (-FLOAT32_MAX, FLOAT32_MAX)),
        }
    clip = (-CLIP, CLIP)
    return {
        "zscore": _fit(encoded_ND, _mean_and_std, clip, UNSEEN_SPREAD),
        "robust": _fit(encoded_ND, _median_and_iqr, clip, UNSEEN_SPREAD),
        "minmax": _fit(encoded_ND, _low_and_range, MINMAX_CLIP, 1.0),
        "none": _uniform(encoded_ND.shape[1], 0.0, 1.0, (-FLOAT32_MAX, FLOAT32_MAX)),
    }


def checked_array(arrays: Mapping[str, npt.NDArray[np.generic]], name: str, shape: tuple[int, ...]) -> Matrix:
    """The named array as float64. Raises ArtifactError unless it is there, of this shape, and finite."""
    array = arrays.get(name)
    if array is None:
        raise ArtifactError(f"the preprocessor must have an array '{name}', found none")
    if array.shape != shape or array.dtype != np.float64:
        raise ArtifactError(
            f"array '{name}' must be float64 of shape {shape}, got {array.dtype} of shape {array.shape}"
        )
    values = np.asarray(array, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ArtifactError(f"array '{name}' must be finite, got NaN or infinity")
    return values


def _uniform(n_features: int, center: float, spread: float, clip: tuple[float, float]) -> Scaler:
    return Scaler(
        center_D=np.full(n_features, center), spread_D=np.full(n_features, spread), low=clip[0], high=clip[1]
    )


def _fit(
    encoded_ND: Matrix,
    statistics: Callable[[Matrix], tuple[float, float]],
    clip: tuple[float, float],
    unseen_spread: float,
) -> Scaler:
    """A scaler from (center, spread) of each column; one column at a time bounds the memory."""
    pairs_D2 = np.array(
        [_center_and_spread(column_N, statistics, unseen_spread) for column_N in encoded_ND.T]
    ).reshape(-1, 2)
    return Scaler(center_D=pairs_D2[:, 0].copy(), spread_D=pairs_D2[:, 1].copy(), low=clip[0], high=clip[1])


def _center_and_spread(
    column_N: Matrix, statistics: Callable[[Matrix], tuple[float, float]], unseen_spread: float
) -> tuple[float, float]:
    values_N = np.clip(column_N, -HUGE, HUGE)
    if values_N.min() == values_N.max():
        return float(values_N[0]), unseen_spread
    center, spread = statistics(values_N)
    return center, max(spread, TINY)


def _mean_and_std(values_N: Matrix) -> tuple[float, float]:
    mean = float(values_N.mean())
    return mean, _std(values_N, mean)


def _std(values_N: Matrix, mean: float) -> float:
    """Standard deviation (ddof 0), safe from overflow and underflow of the squares."""
    deviations_N = values_N - mean
    largest = float(np.abs(deviations_N).max())
    return largest * float(np.sqrt(np.mean((deviations_N / largest) ** 2)))


def _median_and_iqr(values_N: Matrix) -> tuple[float, float]:
    """Median and interquartile range; the standard deviation where more than half of the rows tie."""
    low, median, high = np.quantile(values_N, (0.25, 0.5, 0.75)).tolist()
    return median, (high - low) or _std(values_N, float(values_N.mean()))


def _low_and_range(values_N: Matrix) -> tuple[float, float]:
    low, high = float(values_N.min()), float(values_N.max())
    return low, high - low
