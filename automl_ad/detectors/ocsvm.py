"""One-class support vector machine (Schölkopf et al. 2001, "Estimating the support of a distribution").

Shapes: N rows, M support vectors, D features.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn.svm import OneClassSVM

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.closed_form import (
    ArrayDetector,
    CheckedArrays,
    Float32Array,
    Float64Array,
    require_array,
    squared_distances,
    subsample,
)
from automl_ad.detectors.params import read_float
from automl_ad.errors import TrialFailed
from automl_ad.results import Value

MAX_ROWS = 5000
"""The solver is quadratic to cubic in rows (METHODS M24: subsample to 5,000-10,000)."""


class OneClassSvm(ArrayDetector):
    """How far outside the smallest region that holds a share 1 - nu of the data."""

    name = "ocsvm"
    block_multiple = 16
    score_types = (
        ScoreType(name="margin", meaning="rho - sum_i alpha_i k(x_i, x), above 0 outside (eq. 10)"),
    )

    def read(self, params: Mapping[str, Value]) -> None:
        """`nu`, and `gamma_factor` on 1 / (D Var): scikit-learn's defaults are nu .5 and factor 1."""
        self.nu = read_float(params, "nu", 0.5, up_to=1.0)
        self.gamma_factor = read_float(params, "gamma_factor", 1.0)

    def estimate(self, x_ND: Float32Array, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """Support vectors, their coefficients, rho and gamma."""
        rows_MD = subsample(x_ND, MAX_ROWS, seed)
        variance = float(rows_MD.var(dtype=np.float64))
        if variance <= 0:
            raise TrialFailed("ocsvm needs features that vary, got one value everywhere")
        gamma = self.gamma_factor / (self.n_features * variance)
        try:
            fitted = OneClassSVM(nu=self.nu, gamma=gamma).fit(rows_MD.astype(np.float64))
        except ValueError as error:
            raise TrialFailed(f"ocsvm found no margin at nu {self.nu:g}: {error}") from error
        return {
            "support_vectors": rows_MD[fitted.support_],
            "coefficients": fitted.dual_coef_[0],
            "rho": fitted.offset_,
            "gamma": np.array([gamma]),
        }

    def adopt(self, arrays: CheckedArrays) -> None:
        """Take support vectors [M, D], coefficients [M], rho [1] and gamma [1]."""
        vectors_MD: Float32Array = arrays.take("support_vectors", np.float32, None, self.n_features)
        self.coefficients_M: Float64Array = arrays.take("coefficients", np.float64, len(vectors_MD))
        self.rho = float(arrays.take("rho", np.float64, 1)[0])
        self.gamma = float(arrays.take("gamma", np.float64, 1)[0])
        require_array(self.gamma > 0, "gamma", "be positive", f"{self.gamma}")
        self.vectors_MD: Float64Array = vectors_MD.astype(np.float64)
        self.norms_M: Float64Array = np.square(self.vectors_MD).sum(axis=1)

    @property
    def values_per_row(self) -> int:
        """One row's kernels, twice."""
        return 2 * len(self.norms_M)

    def evaluate(self, x_ND: Float32Array) -> dict[str, Float64Array]:
        """The margin."""
        kernels_NM = squared_distances(x_ND.astype(np.float64), self.vectors_MD, self.norms_M)
        kernels_NM *= -self.gamma
        np.exp(kernels_NM, out=kernels_NM)
        return {"margin": self.rho - kernels_NM @ self.coefficients_M}
