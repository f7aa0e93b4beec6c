"""Criterion: whether the largest scores of the panel stand apart from the rest.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.ranks import normalised_ranks

Float64Array = npt.NDArray[np.float64]

TOP_SHARE = 0.05
CUT_SHARE = 0.2
EPSILON = 1e-6
"""Added to denominators, in units of a candidate's score range."""


class TailShape:
    """Mean rank in the pool of two figures of the tail: RTM and EAG.

    Ranks, since neither figure has a scale on which detectors compare. Shape alone is no better than a
    random pick between trials (.707 and .721 against .748, clean; SELECTION 3A); beside agreement with the
    anchors it tells which of the detectors that agree is the most decided.
    """

    name: ClassVar[str] = "tail_shape"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("scores", "pool")
    cost: ClassVar[str] = "K N log N"
    source: ClassVar[str] = "SELECTION 2, T"
    failure_mode: ClassVar[str] = "a score that explodes on a few arbitrary rows has a perfect tail"

    def __call__(self, evidence: Evidence) -> Float64Array:
        """[K], in (0, 1]."""
        rtm_K, eag_K = tail_figures(evidence.scores_KN)
        return (normalised_ranks(rtm_K) + normalised_ranks(eag_K)) / 2


def tail_figures(scores_KN: npt.NDArray[np.floating]) -> tuple[Float64Array, Float64Array]:
    """(RTM [K], EAG [K]), both unchanged when the scores are shifted or multiplied.

    RTM, relative top median: how far the mean of the top 5 % lies beyond the median, in medians.
    EAG, expected anomaly gap: variance between the rows above and below a cut against the variance within,
    averaged over all cuts through the top 20 %.
    """
    # NOTE[DIFF] scores are brought to [0, 1], not only shifted, so that EPSILON means the same to all.
    ascending_KN = np.sort(scores_KN, axis=1).astype(np.float64)  # in float32 it takes a quarter of the time
    ascending_KN -= ascending_KN[:, :1]
    ascending_KN /= np.maximum(ascending_KN[:, -1:], np.finfo(np.float64).tiny)
    return _relative_top_median(ascending_KN), _anomaly_gap(ascending_KN)


def _relative_top_median(ascending_KN: Float64Array) -> Float64Array:
    n_top = max(1, round(TOP_SHARE * ascending_KN.shape[1]))
    median_K = np.median(ascending_KN, axis=1)
    figure_K: Float64Array = (ascending_KN[:, -n_top:].mean(axis=1) - median_K) / (median_K + EPSILON)
    return figure_K


def _anomaly_gap(ascending_KN: Float64Array) -> Float64Array:
    """Mean of w0 w1 (m0 - m1)^2 / (w0 v0 + w1 v1 + eps); 1 is the part above the cut, 0 the part below."""
    n_rows = ascending_KN.shape[1]
    n_cuts = max(1, round(CUT_SHARE * n_rows))
    top_KC = ascending_KN[:, : -n_cuts - 1 : -1]
    n1_C = np.arange(1, n_cuts + 1)
    n0_C = n_rows - n1_C
    sum1_KC, square1_KC = np.cumsum(top_KC, axis=1), np.cumsum(top_KC**2, axis=1)
    sum0_KC = ascending_KN.sum(axis=1, keepdims=True) - sum1_KC
    square0_KC = (ascending_KN**2).sum(axis=1, keepdims=True) - square1_KC
    gap_KC = (n0_C * n1_C / n_rows**2) * (sum0_KC / n0_C - sum1_KC / n1_C) ** 2
    within_KC = (square0_KC - sum0_KC**2 / n0_C + square1_KC - sum1_KC**2 / n1_C) / n_rows
    figure_K: Float64Array = (gap_KC / (np.maximum(within_KC, 0) + EPSILON)).mean(axis=1)
    return figure_K
