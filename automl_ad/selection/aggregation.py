"""One order from several: Borda counts, with and without the odd one out, and Kemeny's order.

A vote is [K] figures, higher ranking higher; NaN leaves a candidate out of it. All aggregates are
normalised ranks in [0, 1], 1 = first; a candidate without a figure in any vote that counts gets 0. Weights
count relative to each other. Shapes: K candidates, C votes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from automl_ad.config import Aggregation
from automl_ad.criteria.ranks import normalised_ranks
from automl_ad.selection.kemeny import least_cost_order

Float64Array = npt.NDArray[np.float64]
Votes = Sequence[Float64Array]
Aggregator = Callable[[Votes, Sequence[float] | None], Float64Array]

BORDA_SAY = 1e-9
"""What contradicting the Borda count costs in Kemeny's order, where contradicting every vote costs 1: it
decides where the votes are evenly split, and nothing else."""


def borda(votes: Votes, weights: Sequence[float] | None = None) -> Float64Array:
    """[K] weighted mean over the votes of normalised true ranks, to twelve digits.

    A ranking given as an ordering (who comes first, second, ...) must be inverted before it is summed:
    orderings 3 0 1 2 and 0 3 1 2 leave 0 and 3 tied.

    >>> votes = [-np.argsort([3, 0, 1, 2]).astype(float), -np.argsort([0, 3, 1, 2]).astype(float)]
    >>> borda(votes).tolist()
    [0.875, 0.5, 0.25, 0.875]
    """
    ranks_CK = np.stack([_ranks(vote_K) for vote_K in votes])
    weights_CK = np.where(np.isnan(ranks_CK), 0.0, _shares(votes, weights)[:, None])
    total_K = weights_CK.sum(axis=0)
    sums_K = (weights_CK * np.nan_to_num(ranks_CK)).sum(axis=0)
    return np.asarray((sums_K / np.where(total_K > 0, total_K, 1.0)).round(12))


def robust_borda(votes: Votes, weights: Sequence[float] | None = None) -> Float64Array:
    """[K] the Borda count without the one vote whose removal leaves the others closest to their count.

    SELECTION 2; robust rank aggregation of Goswami et al. 2023. Of equals the one named last goes. With fewer
    than three votes that hold figures none is the odd one out, and all count.
    """
    shares_C = _shares(votes, weights)
    heard = [c for c, vote_K in enumerate(votes) if not np.isnan(vote_K).all()]
    if len(heard) < 3:
        return borda(votes, shares_C.tolist())
    juries = [[c for c in heard if c != out] for out in reversed(heard)]
    kept = [([votes[c] for c in jury], shares_C[jury].tolist()) for jury in juries]
    counts = [borda(*jury) for jury in kept]
    spreads = [_spread(*jury, count_K) for jury, count_K in zip(kept, counts, strict=True)]
    return counts[int(np.argmin(np.round(spreads, 12)))]


def kemeny(votes: Votes, weights: Sequence[float] | None = None) -> Float64Array:
    """[K] normalised ranks in the order that contradicts the fewest pairs of the votes, weighted.

    Exact for few candidates, else a local search from the Borda count (`least_cost_order`). Where votes are
    evenly split the Borda count decides, then the vote named first; candidates that no vote and no count
    tells apart share their mean rank.
    """
    count_K, shares_C = borda(votes, weights), _shares(votes, weights)
    ranks_CK = np.stack([_ranks(vote_K) for vote_K in votes])
    # The last key counts most. A start that depends on the figures only, not on who is listed first.
    start_K = np.lexsort([*np.nan_to_num(-ranks_CK[::-1], nan=1.0), -count_K])
    cost_KK = _contradicted(ranks_CK[:, start_K], shares_C) + BORDA_SAY * _is_above(count_K[start_K]).T
    place_K = np.empty(len(count_K))
    place_K[least_cost_order(cost_KK)] = np.arange(len(count_K))
    ranks_K = np.empty(len(count_K))
    ranks_K[start_K] = 1 - _shared(place_K, cost_KK) / len(count_K)
    return np.where(count_K > 0, ranks_K, 0.0)


AGGREGATORS: Mapping[Aggregation, Aggregator] = MappingProxyType(
    {"borda": borda, "robust_borda": robust_borda, "kemeny": kemeny}
)


def kendall_distance(one_K: Float64Array, other_K: Float64Array) -> float:
    """Share of the pairs that the two order differently; a tie in one of them counts half.

    Candidates without a figure in either are left out.

    >>> kendall_distance(np.array([3.0, 2.0, 1.0]), np.array([3.0, 1.0, 1.0]))
    0.16666666666666666
    """
    is_present_K = ~(np.isnan(one_K) | np.isnan(other_K))
    n_present = int(is_present_K.sum())
    signs = [_is_above(each[is_present_K]) for each in (one_K, other_K)]
    differences_KK = np.abs((signs[0] - signs[0].T) - (signs[1] - signs[1].T))
    return float(differences_KK.sum() / 2 / max(1, n_present * (n_present - 1)))


def _spread(votes: Votes, weights: Sequence[float], count_K: Float64Array) -> float:
    """Weighted mean Kendall distance of the votes to the count."""
    # NOTE[DIFF] SELECTION 2 says total; a share of pairs, else a vote on few candidates always agrees.
    return float(np.average([kendall_distance(vote_K, count_K) for vote_K in votes], weights=weights))


def _shares(votes: Votes, weights: Sequence[float] | None) -> Float64Array:
    """[C] the weights relative to their sum."""
    weights_C = np.ones(len(votes)) if weights is None else np.asarray(weights, dtype=np.float64)
    return np.asarray(weights_C / weights_C.sum())


def _ranks(vote_K: Float64Array) -> Float64Array:
    """[K] normalised ranks among those present, NaN elsewhere."""
    ranks_K = np.full(len(vote_K), np.nan)
    is_present_K = ~np.isnan(vote_K)
    if is_present_K.any():
        ranks_K[is_present_K] = normalised_ranks(vote_K[is_present_K])
    return ranks_K


def _is_above(figures_K: Float64Array) -> npt.NDArray[np.int8]:
    """[K, K] 1 where the first ranks above the second; NaN is above and below nobody."""
    return (figures_K[:, None] > figures_K).astype(np.int8)


def _contradicted(ranks_CK: Float64Array, shares_C: Float64Array) -> Float64Array:
    """[K, K] the share of the votes that rank the second above the first."""
    share_KK = np.zeros((ranks_CK.shape[1], ranks_CK.shape[1]))
    for share, ranks_K in zip(shares_C, ranks_CK, strict=True):
        share_KK += share * _is_above(ranks_K).T
    return share_KK


def _shared(place_K: Float64Array, cost_KK: Float64Array) -> Float64Array:
    """[K] places, candidates that stand to all others alike sharing their mean place."""
    stands_KK = (cost_KK - cost_KK.T).round(12) + 0.0
    groups: dict[bytes, list[int]] = {}
    for candidate, stand_K in enumerate(stands_KK):
        groups.setdefault(stand_K.tobytes(), []).append(candidate)
    shared_K = place_K.copy()
    for group in groups.values():
        shared_K[group] = place_K[group].mean()
    return shared_K
