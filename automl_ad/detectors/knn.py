"""Distance to the nearest neighbours (Ramaswamy et al. 2000; mean over k: Angiulli and Pizzuti 2002).

Shapes: N rows, M stored rows, D features, K neighbours.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.closed_form import (
    ArrayDetector,
    CheckedArrays,
    Float32Array,
    Float64Array,
    require_array,
)
from automl_ad.detectors.params import read_choice, read_int
from automl_ad.results import Value


class Knn(ArrayDetector):
    """How far the nearest stored rows are, a stored row identical to the query left out once.

    Leaving it out scores the rows of the fit as if each had been held out, at fit and serving time alike.
    All distances are computed, by one matrix product: over 20,000 stored rows a k-d tree is slower from 15
    features on (30 features, one row: .65 ms against .27 ms), and never fast enough to matter below.
    """

    name = "knn"
    score_types = (ScoreType(name="distance", meaning="mean or maximum distance to the k nearest rows"),)

    def read(self, params: Mapping[str, Value]) -> None:
        """`n_neighbors` k, and `aggregate` mean or max. k = 50: the strongest simple baseline measured."""
        self.n_neighbors = read_int(params, "n_neighbors", 50)
        self.aggregate = read_choice(params, "aggregate", ("mean", "max"))

    def estimate(self, x_ND: Float32Array, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """The rows themselves."""
        del seed
        return {"rows": x_ND.copy()}

    def adopt(self, arrays: CheckedArrays) -> None:
        """Take the rows [M, D]."""
        rows_MD: Float32Array = arrays.take("rows", np.float32, None, self.n_features)
        require_array(len(rows_MD) >= 2, "rows", "hold at least 2 rows", "1")
        self.rows_MD: Float64Array = rows_MD.astype(np.float64)
        self.norms_M: Float64Array = np.square(self.rows_MD).sum(axis=1)
        self.n_nearest = min(self.n_neighbors, len(rows_MD) - 1)

    @property
    def values_per_row(self) -> int:
        """One row's distances, and the differences to its neighbours."""
        return len(self.norms_M) + (self.n_nearest + 1) * self.n_features

    def evaluate(self, x_ND: Float32Array) -> dict[str, Float64Array]:
        """The mean or the largest of the k distances."""
        distances_NK = self.nearest_distances(x_ND)
        return {"distance": distances_NK.mean(axis=1) if self.aggregate == "mean" else distances_NK[:, -1]}

    def nearest_distances(self, x_ND: Float32Array) -> Float64Array:
        """[N, K] ascending distances to the nearest rows, an identical one left out once.

        A matrix product finds k + 1 candidates; their distances are then taken from differences, which are
        exactly zero for identical rows and only for them.
        """
        queries_ND = x_ND.astype(np.float64)
        closeness_NM = self.norms_M - 2.0 * (queries_ND @ self.rows_MD.T)
        candidates_NK = np.argpartition(closeness_NM, self.n_nearest, axis=1)[:, : self.n_nearest + 1]
        differences_NKD = queries_ND[:, None, :] - self.rows_MD[candidates_NK]
        distances_NK = np.sort(np.sqrt(np.square(differences_NKD).sum(axis=2)), axis=1)
        is_stored_N1 = distances_NK[:, :1] == 0
        return np.where(is_stored_N1, distances_NK[:, 1:], distances_NK[:, :-1])
