"""PCA residual and score distance (Shyu et al. 2003, "A novel anomaly detection scheme based on PCA").

Shapes: N rows, D features, K kept components.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.closed_form import (
    ArrayDetector,
    CheckedArrays,
    Float32Array,
    Float64Array,
    require_array,
)
from automl_ad.detectors.params import read_float
from automl_ad.errors import TrialFailed
from automl_ad.results import Value


class Pca(ArrayDetector):
    """What the main directions of the data leave unexplained."""

    name = "pca"
    block_multiple = 16
    score_types = (
        ScoreType(name="residual", meaning="squared distance to the subspace of the kept components"),
        ScoreType(name="whitened", meaning="sum over kept components of projection^2 / variance (eq. 5)"),
    )

    def read(self, params: Mapping[str, Value]) -> None:
        """`variance`, the share of variance that the kept components must reach."""
        self.variance = read_float(params, "variance", 0.9, up_to=1.0)

    def estimate(self, x_ND: Float32Array, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """Mean, components and their variances: the fewest that reach `variance`, one direction left out."""
        rows_ND = x_ND.astype(np.float64)
        n_directions = min(len(x_ND) - 1, self.n_features)
        if n_directions < 2:
            raise TrialFailed(f"pca needs 2 features and 3 rows, got {self.n_features} and {len(x_ND)}")
        if not np.ptp(rows_ND, axis=0).any():
            raise TrialFailed("pca needs features that vary, got identical rows")
        fitted = PCA(random_state=seed).fit(rows_ND)
        reached = np.cumsum(fitted.explained_variance_ratio_)
        n_kept = min(int(np.searchsorted(reached, self.variance)) + 1, n_directions - 1)
        return {
            "mean": fitted.mean_,
            "components": fitted.components_[:n_kept],
            "variances": fitted.explained_variance_[:n_kept],
        }

    def adopt(self, arrays: CheckedArrays) -> None:
        """Take the mean [D], components [K, D] and variances [K]."""
        self.mean_D: Float64Array = arrays.take("mean", np.float64, self.n_features)
        self.components_KD: Float64Array = arrays.take("components", np.float64, None, self.n_features)
        self.variances_K: Float64Array = arrays.take("variances", np.float64, len(self.components_KD))
        require_array(bool((self.variances_K > 0).all()), "variances", "be positive", "zero or less")

    @property
    def values_per_row(self) -> int:
        """The difference, the projections and the residual."""
        return 2 * self.n_features + len(self.variances_K)

    def evaluate(self, x_ND: Float32Array) -> dict[str, Float64Array]:
        """The part outside the subspace, and the distance within it."""
        centred_ND = x_ND - self.mean_D
        projections_NK = centred_ND @ self.components_KD.T
        residual_ND = centred_ND - projections_NK @ self.components_KD
        return {
            "residual": np.square(residual_ND).sum(axis=1),
            "whitened": (np.square(projections_NK) / self.variances_K).sum(axis=1),
        }
