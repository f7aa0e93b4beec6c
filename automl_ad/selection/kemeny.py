"""The order that the fewest votes contradict, from what every pair of candidates costs in either order.

Shapes: K candidates.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

EXACT_UP_TO = 8
"""Candidates. All 2^8 subsets take milliseconds, and every candidate more doubles the time."""
TOLERANCE = 1e-12


def least_cost_order(cost_KK: Float64Array) -> IntArray:
    """[K] positions of an order of least total cost, where cost_KK[j, k] is paid when j stands before k.

    Exact up to EXACT_UP_TO candidates. Beyond, where the problem is NP-hard (Dwork et al. 2001), a local
    search from the order given: no candidate can be moved to another place, so no two neighbours be
    swapped, for less. Among equals the order given stays.
    """
    return _exact(cost_KK) if len(cost_KK) <= EXACT_UP_TO else _sifted(cost_KK)


def _exact(cost_KK: Float64Array) -> IntArray:
    """By dynamic programming over the sets of candidates that stand first."""
    n_candidates = len(cost_KK)
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for members in range(1, 1 << n_candidates):
        ends = (k for k in range(n_candidates) if members >> k & 1)
        best[members] = min(_with_last(best[members ^ (1 << last)], last, cost_KK) for last in ends)
    return np.array(best[(1 << n_candidates) - 1][1], dtype=np.intp)


def _with_last(
    first: tuple[float, tuple[int, ...]], last: int, cost_KK: Float64Array
) -> tuple[float, tuple[int, ...]]:
    cost, order = first
    total = cost + float(cost_KK[list(order), last].sum())
    return round(total, 12), (*order, last)


def _sifted(cost_KK: Float64Array) -> IntArray:
    """By moving one candidate after the other to its best place, until none moves."""
    gain_KK = cost_KK - cost_KK.T
    order_K = np.arange(len(cost_KK))
    has_moved = True
    while has_moved:
        has_moved = False
        for candidate in range(len(cost_KK)):
            place = int(np.flatnonzero(order_K == candidate)[0])
            others = np.delete(order_K, place)
            # Standing behind one more candidate saves what standing before it costs on top.
            saved = np.concatenate([[0.0], np.cumsum(gain_KK[candidate, others])])
            best = int(saved.argmax())
            if saved[best] > saved[place] + TOLERANCE:
                order_K = np.insert(others, best, candidate)
                has_moved = True
    return order_K
