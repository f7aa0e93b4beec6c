"""Two fits on disjoint halves of the rows: how much a classical detector depends on which rows it saw.

Deep detectors are not fitted again: their members, the same network from other initialisations, cost nothing.
Shapes: N fitted rows, M panel rows, D features.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from automl_ad.detectors.base import ClosedFormDetector, Detector, member_mean
from automl_ad.errors import TrialFailed
from automl_ad.results import Value

HalfScores = dict[str, npt.NDArray[np.float32]]


def half_fits(
    detector: Detector,
    params: Mapping[str, Value],
    x_ND: npt.NDArray[np.float32],
    panel_MD: npt.NDArray[np.float32],
    *,
    seed: int,
) -> tuple[HalfScores, HalfScores] | None:
    """Score type -> panel scores [M], from each of two fits of the same configuration on a random half.

    None for deep detectors, and where a half is too small for the configuration.
    """
    if not isinstance(detector, ClosedFormDetector):
        return None
    order = np.random.default_rng(seed).permutation(len(x_ND))
    halves = order[: len(order) // 2], order[len(order) // 2 :]
    try:
        first, second = (_scores_of_fit(detector, params, x_ND[half], panel_MD, seed) for half in halves)
    except TrialFailed:
        return None
    return first, second


def _scores_of_fit(
    detector: ClosedFormDetector,
    params: Mapping[str, Value],
    x_ND: npt.NDArray[np.float32],
    panel_MD: npt.NDArray[np.float32],
    seed: int,
) -> HalfScores:
    again = type(detector).build(params, n_features=detector.n_features, n_members=1, seed=seed)
    again.fit(x_ND, seed=seed)
    return {name: member_mean(scores_SM) for name, scores_SM in again.scores(panel_MD).items()}
