"""Distance to the mean or the median: the parameter-free reference of METHODS M26, equal to IAEAD on FMNIST.

Shapes: N rows, D features.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.closed_form import ArrayDetector, CheckedArrays, Float32Array, Float64Array
from automl_ad.detectors.params import read_choice
from automl_ad.results import Value


class DistanceToCenter(ArrayDetector):
    """How far a row lies from the middle of the data."""

    name = "distance_to_center"
    score_types = (ScoreType(name="distance", meaning="L2 or L1 distance to the mean or median (M26)"),)

    def read(self, params: Mapping[str, Value]) -> None:
        """`center` mean or median, `norm` l2 or l1."""
        self.center = read_choice(params, "center", ("mean", "median"))
        self.order = {"l2": 2, "l1": 1}[read_choice(params, "norm", ("l2", "l1"))]

    def estimate(self, x_ND: Float32Array, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """The center."""
        del seed
        average = np.mean if self.center == "mean" else np.median
        return {"center": np.asarray(average(x_ND.astype(np.float64), axis=0))}

    def adopt(self, arrays: CheckedArrays) -> None:
        """Take the center [D]."""
        self.center_D: Float64Array = arrays.take("center", np.float64, self.n_features)

    @property
    def values_per_row(self) -> int:
        """The difference of one row."""
        return self.n_features

    def evaluate(self, x_ND: Float32Array) -> dict[str, Float64Array]:
        """The distance."""
        distance_N: Float64Array = np.linalg.norm(x_ND - self.center_D, ord=self.order, axis=1)
        return {"distance": distance_N}
