"""Scores on a logarithmic scale that does not depend on their unit.

Shapes: N reference rows, M rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]


def log_scores(scores_M: npt.NDArray[np.floating], like_N: npt.NDArray[np.floating]) -> Float64Array:
    """[M] sign(x) log(1 + |x|), x being the height above the lowest score of `like_N`, in its median heights.

    Shifting or multiplying all scores changes nothing. Around the lowest score the scale is linear, so no
    score is too small for it, and rows below are as good as rows above.
    """
    # NOTE[DIFF] the plain logarithm needs positive scores and a zero: a log-likelihood has neither, and
    # adding a constant to it would change the figure.
    reference_N = like_N.astype(np.float64)
    heights_N = reference_N - reference_N.min()
    # More than half of the rows may tie at the lowest score; constant scores have no height at all.
    unit = float(np.median(heights_N)) or float(heights_N.max()) or 1.0
    x_M = (scores_M.astype(np.float64) - reference_N.min()) / unit
    return np.asarray(np.sign(x_M) * np.log1p(np.abs(x_M)))
