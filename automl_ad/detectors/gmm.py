"""Gaussian mixture by EM, with the scores L, D, A and M of Matsubara et al. (METHODS M22).

Shapes: N rows, D features, K mixture parts.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.closed_form import (
    ArrayDetector,
    CheckedArrays,
    Float32Array,
    Float64Array,
    require_array,
)
from automl_ad.detectors.params import read_choice, read_float, read_int
from automl_ad.errors import TrialFailed
from automl_ad.results import Value

MAX_REGULARISATION = 0.1
"""Beyond a tenth of a z-scored column's variance the mixture no longer describes the data (M22's range)."""


class Gmm(ArrayDetector):
    """How unlikely a row is under a few Gaussians; k* is the part with the largest posterior."""

    name = "gmm"
    block_multiple = 16
    score_types = (
        ScoreType(name="L", meaning="-log sum_k w_k N_k(x)"),
        ScoreType(name="D", meaning="-log w_k*, how rare the row's part is"),
        ScoreType(name="A", meaning="1/2 log((2 pi)^D |Sigma_k*|), how wide the row's part is"),
        ScoreType(name="M", meaning="half the squared Mahalanobis distance to part k*"),
    )

    def read(self, params: Mapping[str, Value]) -> None:
        """`n_components` K, `covariance` full, diag or tied, `reg_covar` added to the variances."""
        self.n_components = read_int(params, "n_components", 1)
        self.covariance = read_choice(params, "covariance", ("full", "diag", "tied"))
        self.reg_covar = read_float(params, "reg_covar", 1e-6)

    def estimate(self, x_ND: Float32Array, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """Weights, means and Cholesky factors of the precisions."""
        if len(x_ND) < 2 * self.n_components:
            raise TrialFailed(f"gmm needs 2 rows per component, got {len(x_ND)} for {self.n_components}")
        fitted = self.fit_regularised(x_ND.astype(np.float64), seed)
        precisions = fitted.precisions_cholesky_
        return {"weights": fitted.weights_, "means": fitted.means_, "precisions_cholesky": precisions}

    def fit_regularised(self, rows_ND: Float64Array, seed: int) -> GaussianMixture:
        """The mixture under `reg_covar`, or under the first of its tenfolds that EM survives."""
        reg_covar = self.reg_covar
        while True:
            mixture = GaussianMixture(
                self.n_components, covariance_type=self.covariance, reg_covar=reg_covar, random_state=seed
            )
            try:
                with warnings.catch_warnings():
                    # 100 iterations as published: stopping short of tol still gives a density
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    return mixture.fit(rows_ND)
            except ValueError as error:
                reg_covar *= 10
                if reg_covar > MAX_REGULARISATION:
                    raise TrialFailed(f"gmm found no invertible covariance: {error}") from error

    def adopt(self, arrays: CheckedArrays) -> None:
        """Take weights [K], means [K, D] and factors: full [K, D, D], diag [K, D], tied [D, D]."""
        n_parts, n_features = self.n_components, self.n_features
        shape = {
            "full": (n_parts, n_features, n_features),
            "diag": (n_parts, n_features),
            "tied": (n_features, n_features),
        }[self.covariance]
        weights_K = arrays.take("weights", np.float64, n_parts)
        require_array(bool((weights_K > 0).all()), "weights", "be positive", "zero or less")
        self.means_KD: Float64Array = arrays.take("means", np.float64, n_parts, n_features)
        factors: Float64Array = arrays.take("precisions_cholesky", np.float64, *shape)
        diagonals = factors if self.covariance == "diag" else np.diagonal(factors, axis1=-2, axis2=-1)
        require_array(bool((diagonals > 0).all()), "precisions_cholesky", "be positive", "zero or less")
        half_log_dets = np.broadcast_to(np.log(diagonals).sum(axis=-1), n_parts)
        self.rarity_K: Float64Array = -np.log(weights_K)
        self.width_K: Float64Array = 0.5 * n_features * np.log(2.0 * np.pi) - half_log_dets
        self.factors = [factors] * n_parts if self.covariance == "tied" else list(factors)

    @property
    def values_per_row(self) -> int:
        """The difference and its whitened form, and a value for each part."""
        return 2 * self.n_features + 4 * self.n_components

    def evaluate(self, x_ND: Float32Array) -> dict[str, Float64Array]:
        """L over all parts; D, A and M of the part k* that most likely produced the row."""
        distance_NK = np.stack([self.half_mahalanobis(x_ND, k) for k in range(self.n_components)], axis=1)
        energy_NK = self.rarity_K + self.width_K + distance_NK
        part_N = energy_NK.argmin(axis=1)
        # NOTE[DIFF] eq. 7 prints -log p(x | k*); its D + A + M is -log p(x, k*), which is what we return.
        return {
            "L": -logsumexp(-energy_NK, axis=1),
            "D": self.rarity_K[part_N],
            "A": self.width_K[part_N],
            "M": np.take_along_axis(distance_NK, part_N[:, None], axis=1)[:, 0],
        }

    def half_mahalanobis(self, x_ND: Float32Array, part: int) -> Float64Array:
        """[N] half the squared Mahalanobis distance to one part."""
        centred_ND = x_ND - self.means_KD[part]
        factor = self.factors[part]
        whitened_ND = centred_ND * factor if self.covariance == "diag" else centred_ND @ factor
        half_N: Float64Array = 0.5 * np.square(whitened_ND).sum(axis=1)
        return half_N
