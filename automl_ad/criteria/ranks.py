"""Order statistics of scores: ranks, Spearman's correlation and the area under the ROC curve.

Everything the criteria know that a strictly increasing change of the scores leaves alone.
Shapes: K candidates, N panel rows, P probe rows, G groups of probe rows, M rows of all groups.
"""

from __future__ import annotations

from collections.abc import Sequence

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


def mean_ranks(scores_KN: npt.NDArray[np.floating]) -> Float32Array:
    """[K, N] ranks along the last axis, 1 = least strange; tied scores share their mean rank.

    float32 holds them exactly up to 8 million rows, being multiples of a half.
    """
    return np.asarray(rankdata(scores_KN, axis=-1), dtype=np.float32)


def unit_ranks(scores_KN: npt.NDArray[np.floating]) -> Float32Array:
    """[K, N] centred ranks of length 1, so that a dot product is Spearman's correlation.

    Constant scores give zeros: they agree with nobody. float32: half the memory, and a correlation is good
    to 1e-6, far below its sampling error.
    """
    return as_units(rankdata(scores_KN, axis=-1))


def as_units(ranks_KN: npt.NDArray[np.floating]) -> Float32Array:
    """`unit_ranks` of scores that are ranked already."""
    centred_KN = _centred(ranks_KN)
    length = np.linalg.norm(centred_KN, axis=-1, keepdims=True)
    return (centred_KN / np.where(length > 0, length, 1.0)).astype(np.float32)


def spearman(first_N: npt.NDArray[np.floating], second_N: npt.NDArray[np.floating]) -> float:
    """Spearman's correlation of two score vectors; NaN when one of them is constant.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 20.0, 300.0]))
    1.0
    """
    first, second = _centred(rankdata(np.stack([first_N, second_N]), axis=-1))
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


def aucs(normal_N: npt.NDArray[np.floating], groups: Sequence[npt.NDArray[np.floating]]) -> Float64Array:
    """[G] share of pairs in which the strange row scores higher than the normal one, ties counting half.

    One figure for each group of strange rows, none of them empty, against the same normal rows.

    >>> aucs(np.array([1.0, 2.0]), [np.array([2.0, 3.0]), np.array([0.0])]).tolist()
    [0.875, 0.0]
    """
    ascending_N, strange_M = np.sort(normal_N), np.concatenate(groups)
    sizes_G = np.array([len(group) for group in groups])
    # Sorted needles are found three times as fast: each search begins where the last one ended.
    order_M = np.argsort(strange_M)
    beaten_M = np.empty(len(strange_M))
    beaten_M[order_M] = _n_beaten(ascending_N, strange_M[order_M])
    sums_G = np.add.reduceat(beaten_M, np.cumsum(sizes_G) - sizes_G)
    return np.asarray(sums_G / sizes_G / len(ascending_N))


def _n_beaten(ascending_N: npt.NDArray[np.floating], strange_M: npt.NDArray[np.floating]) -> Float64Array:
    """[M] normal rows that score below each strange row, ties counting half."""
    below_M = np.searchsorted(ascending_N, strange_M, side="left")
    is_tied_M = ascending_N.take(below_M, mode="clip") == strange_M
    beaten_M = below_M.astype(np.float64)
    not_above = np.searchsorted(ascending_N, strange_M[is_tied_M], side="right")
    beaten_M[is_tied_M] = (beaten_M[is_tied_M] + not_above) / 2
    return beaten_M


def _centred(ranks_KN: npt.NDArray[np.floating]) -> Float64Array:
    """[K, N] ranks minus their mean, exact in floating point: a constant row is exactly 0."""
    return np.asarray(ranks_KN.astype(np.float64, copy=False) - (ranks_KN.shape[-1] + 1) / 2)
