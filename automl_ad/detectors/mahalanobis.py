"""Mahalanobis distance (Mahalanobis 1936), the covariance shrunk to a sphere (Ledoit and Wolf 2004).

Shapes: N rows, D features.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.linalg import cholesky, solve_triangular

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.closed_form import ArrayDetector, CheckedArrays, Float32Array, Float64Array
from automl_ad.detectors.params import read_float
from automl_ad.errors import TrialFailed
from automl_ad.results import Value


class Mahalanobis(ArrayDetector):
    """Distance to the mean in units of the data's own spread, correlations included."""

    name = "mahalanobis"
    block_multiple = 16
    score_types = (ScoreType(name="mahalanobis", meaning="distance to the mean under the shrunk covariance"),)

    def read(self, params: Mapping[str, Value]) -> None:
        """`shrinkage`, the weight of the sphere."""
        self.shrinkage = read_float(params, "shrinkage", 0.01, up_to=1.0)

    def estimate(self, x_ND: Float32Array, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """Mean, and the map that turns the shrunk covariance into the identity.

        The sphere keeps the covariance invertible with more features than rows and with constant features.
        """
        del seed
        rows_ND = x_ND.astype(np.float64)
        covariance_DD = np.atleast_2d(np.cov(rows_ND, rowvar=False, bias=True))
        variance = float(np.trace(covariance_DD)) / self.n_features
        if variance <= 0:
            raise TrialFailed("mahalanobis needs features that vary, got identical rows")
        # NOTE[DIFF] the weight is a parameter; Ledoit and Wolf estimate it for the covariance's own error,
        # which is not what ranks anomalies best.
        shrunk_DD = (1 - self.shrinkage) * covariance_DD + self.shrinkage * variance * np.eye(self.n_features)
        factor_DD = cholesky(shrunk_DD, lower=True)
        whitening_DD = solve_triangular(factor_DD, np.eye(self.n_features), lower=True).T
        return {"mean": rows_ND.mean(axis=0), "whitening": whitening_DD}

    def adopt(self, arrays: CheckedArrays) -> None:
        """Take the mean [D] and the whitening map [D, D]."""
        self.mean_D: Float64Array = arrays.take("mean", np.float64, self.n_features)
        self.whitening_DD: Float64Array = arrays.take(
            "whitening", np.float64, self.n_features, self.n_features
        )

    @property
    def values_per_row(self) -> int:
        """The difference and its whitened form."""
        return 2 * self.n_features

    def evaluate(self, x_ND: Float32Array) -> dict[str, Float64Array]:
        """The distance."""
        distance_N: Float64Array = np.linalg.norm((x_ND - self.mean_D) @ self.whitening_DD, axis=1)
        return {"mahalanobis": distance_N}
