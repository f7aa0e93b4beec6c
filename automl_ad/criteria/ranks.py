"""Order statistics of scores: ranks, Spearman's correlation and the area under the ROC curve.

Everything the criteria know that a strictly increasing change of the scores leaves alone.
Shapes: K candidates, N panel rows, P probe rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Float64Array = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]


def normalised_ranks(scores_KN: npt.NDArray[np.floating]) -> Float64Array:
    """[K, N] ranks along the last axis divided by N, in (0, 1]; tied scores share their mean rank.

    >>> normalised_ranks(np.array([30.0, 10.0, 10.0, 40.0])).tolist()
    [0.75, 0.375, 0.375, 1.0]
    """
    ranks: Float64Array = rankdata(scores_KN, axis=-1) / np.shape(scores_KN)[-1]
    return ranks


def unit_ranks(scores_KN: npt.NDArray[np.floating]) -> Float32Array:
    """[K, N] centred ranks of length 1, so that a dot product is Spearman's correlation.

    Constant scores give zeros: they agree with nobody. float32: half the memory, and a correlation is good
    to 1e-6, far below its sampling error.
    """
    ranks = _centred_ranks(scores_KN)
    length = np.linalg.norm(ranks, axis=-1, keepdims=True)
    return (ranks / np.where(length > 0, length, 1.0)).astype(np.float32)


def spearman(first_N: npt.NDArray[np.floating], second_N: npt.NDArray[np.floating]) -> float:
    """Spearman's correlation of two score vectors; NaN when one of them is constant.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 20.0, 300.0]))
    1.0
    """
    first, second = _centred_ranks(np.stack([first_N, second_N]))
    scale = np.sqrt((first @ first) * (second @ second))
    return float(first @ second / scale) if scale > 0 else float("nan")


def weighted_correlations(
    first_JN: npt.NDArray[np.floating],
    second_JN: npt.NDArray[np.floating],
    weights_BN: npt.NDArray[np.integer],
) -> Float64Array:
    """[B, J] correlation of row j with row j when panel row n counts weights_BN[b, n] times; 0 if constant.

    On ranks of the whole panel this is Spearman's correlation of a resample, but for its ties, and needs no
    sorting.
    """
    first, second = first_JN.astype(np.float64), second_JN.astype(np.float64)
    shares = weights_BN / weights_BN.sum(axis=1, keepdims=True)
    mean_1, mean_2 = shares @ first.T, shares @ second.T
    covariance = shares @ (first * second).T - mean_1 * mean_2
    variance_1, variance_2 = shares @ (first**2).T - mean_1**2, shares @ (second**2).T - mean_2**2
    scale = np.sqrt(np.maximum(variance_1 * variance_2, 0))
    # Unit ranks have a variance of 1 / N: a smaller scale than this is rounding.
    is_defined = scale > 1e-12
    return np.where(is_defined, covariance / np.where(is_defined, scale, 1.0), 0.0)


def auc(normal_N: npt.NDArray[np.floating], strange_P: npt.NDArray[np.floating]) -> float:
    """Share of pairs in which the strange row scores higher than the normal one, ties counting half.

    >>> auc(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.875
    """
    return sorted_auc(np.sort(normal_N), strange_P)


def sorted_auc(ascending_N: npt.NDArray[np.floating], strange_P: npt.NDArray[np.floating]) -> float:
    """`auc` against normal scores that are sorted already."""
    below = np.searchsorted(ascending_N, strange_P, side="left")
    not_above = np.searchsorted(ascending_N, strange_P, side="right")
    return float((below.mean() + not_above.mean()) / (2 * len(ascending_N)))


def _centred_ranks(scores_KN: npt.NDArray[np.floating]) -> Float64Array:
    """[K, N] ranks minus their mean, exact in floating point: a constant row is exactly 0."""
    ranks: Float64Array = rankdata(scores_KN, axis=-1) - (np.shape(scores_KN)[-1] + 1) / 2
    return ranks
