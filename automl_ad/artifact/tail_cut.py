"""The threshold beyond which a fitted tail has the wanted rate: `pot`, peaks over threshold.

Siffer et al. 2017, "Anomaly detection in streams with extreme value theory" (SPOT), section 3.2, eq. 1: over
a high threshold t, scores of almost any distribution follow a generalized Pareto law, so that also a rate
below one row of the panel has a threshold. Shapes: N panel rows, P peaks.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize_scalar

from automl_ad.artifact.empirical_cut import empirical_cut

PEAK_SHARE = 0.02
"""Siffer et al., section 4.2: t is the 98 % quantile."""
N_PEAKS = 20
"""Wanted in a small panel, where 2 % would be fewer: the shape's standard error is (1 + shape) / sqrt(P)."""
MAX_PEAK_SHARE = 0.25
"""However few the rows: what lies below the upper quarter is no tail."""
N_PEAKS_FOR_SHAPE = 10
"""Distinct ones. With fewer, an error of the shape above 0.3 would decide: the tail counts as exponential."""
SHAPES = (-0.5, 5.0)
"""Below -0.5 maximum likelihood is irregular (Smith 1985); above 5 thresholds leave the range of floats."""
N_GRID = 32
"""Points at which the likelihood, which may have two maxima, is looked at before the best one is refined."""

U_RANGE = (-25.0, 100.0)
"""Of log(1 + theta max x): beyond, floats do not tell theta from its limit -1 / max x, or from infinity."""
NEARLY_ZERO = 1e-9
"""Where a limit is closer to a ratio than its rounding."""

Float64Array = npt.NDArray[np.float64]


def tail_cut(panel_scores_N: Float64Array, rate: float) -> tuple[float, str]:
    """(threshold, what is to say of it): z_q = t + scale / shape ((q N / P)^-shape - 1) for the rate q.

    The tail does not depend on the rate: a higher rate never has a higher threshold. Rates that reach below
    t, and panels whose highest scores tie, get the empirical quantile.
    """
    ascending_N = np.sort(panel_scores_N)
    n_rows = len(ascending_N)
    n_wanted = min(max(round(PEAK_SHARE * n_rows), N_PEAKS), int(MAX_PEAK_SHARE * n_rows))
    start = empirical_cut(ascending_N, n_wanted)
    excess_P = ascending_N[ascending_N > start] - start
    if not len(excess_P):
        return empirical_cut(
            ascending_N, round(rate * n_rows)
        ), ", the quantile itself: the highest scores tie"
    depth = rate * n_rows / len(excess_P)
    if depth >= 1:
        value = empirical_cut(ascending_N, round(rate * n_rows))
        return value, f", the quantile itself: the rate reaches below the {len(excess_P):,} peaks"
    if len(np.unique(excess_P)) < N_PEAKS_FOR_SHAPE:
        shape, scale, law = 0.0, float(excess_P.mean()), "exponential tail, for want of distinct peaks,"
    else:
        shape, scale = fit_tail(excess_P)
        law = f"generalized Pareto tail of shape {shape:.2f}"
    return start + scale * _quantile(shape, depth), f", {law} on {len(excess_P):,} peaks above {start:.6g}"


def fit_tail(excess_P: Float64Array) -> tuple[float, float]:
    """(shape, scale) of the generalized Pareto law of positive excesses, by maximum likelihood.

    Grimshaw 1993: with theta = shape / scale given, the best shape is mean log(1 + theta x), so that one
    dimension is left to search: u = log(1 + theta max x).
    """
    unit_P = excess_P / excess_P.max()
    lowest, highest = (_u_of(shape, unit_P) for shape in SHAPES)
    grid = np.linspace(lowest, highest, N_GRID)
    best = int(np.argmin([_loss(u, unit_P) for u in grid]))
    around = (grid[max(best - 1, 0)], grid[min(best + 1, N_GRID - 1)])
    found = minimize_scalar(_loss, bounds=around, args=(unit_P,), method="bounded", options={"xatol": 1e-8})
    return _shape(found.x, unit_P), float(excess_P.max()) * _scale(found.x, unit_P)


def _shape(u: float, unit_P: Float64Array) -> float:
    """The best shape."""
    return float(np.log1p(math.expm1(u) * unit_P).mean())


def _scale(u: float, unit_P: Float64Array) -> float:
    """The scale that goes with it, shape / theta; the mean excess where both vanish."""
    return float(unit_P.mean()) if abs(u) < NEARLY_ZERO else _shape(u, unit_P) / math.expm1(u)


def _loss(u: float, unit_P: Float64Array) -> float:
    """Negative log-likelihood of a peak, a constant left out."""
    return math.log(_scale(u, unit_P)) + _shape(u, unit_P)


def _u_of(shape: float, unit_P: Float64Array) -> float:
    """The u whose best shape this is, or the end of its range when none is."""
    lowest, highest = U_RANGE
    if not _shape(lowest, unit_P) < shape < _shape(highest, unit_P):
        return lowest if shape < 0 else highest
    return float(brentq(lambda u: _shape(u, unit_P) - shape, lowest, highest))


def _quantile(shape: float, depth: float) -> float:
    """(depth^-shape - 1) / shape, and its limit -log(depth) where the shape vanishes."""
    log_depth = math.log(depth)
    return -log_depth if abs(shape) < NEARLY_ZERO else math.expm1(-shape * log_depth) / shape
