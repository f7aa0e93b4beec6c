"""Percentile bootstrap over datasets: how far a mean, or a ratio of sums, depends on which tables were there.

Shapes: G groups, B resamples.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl_ad.evaluation.bench.measured import Float64Array, Interval, too_few

N_RESAMPLES = 10_000
SEED = 0
LEVEL = 0.95


def mean_interval(values_G: Float64Array) -> Interval | None:
    """95 % interval of the mean; None with too few groups."""
    if too_few(len(values_G)):
        return None
    return _percentiles(values_G[_resamples(len(values_G))].mean(axis=1))


def ratio_interval(numerators_G: Float64Array, denominators_G: Float64Array) -> Interval | None:
    """95 % interval of sum(numerators) / sum(denominators); None with too few groups.

    None also when a resample has a denominator of 0 or less: the ratio then has no bounded interval.
    """
    if too_few(len(numerators_G)):
        return None
    rows_BG = _resamples(len(numerators_G))
    sums_B = denominators_G[rows_BG].sum(axis=1)
    if (sums_B <= 0).any():
        return None
    return _percentiles(numerators_G[rows_BG].sum(axis=1) / sums_B)


def _resamples(n_groups: int) -> npt.NDArray[np.int64]:
    """[B, G] group numbers, the same for every figure of as many groups."""
    return np.random.default_rng(SEED).integers(n_groups, size=(N_RESAMPLES, n_groups))


def _percentiles(values_B: Float64Array) -> Interval:
    low, high = np.quantile(values_B, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
