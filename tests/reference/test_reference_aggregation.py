"""Kemeny's order and Kendall's distance, pair by pair and permutation by permutation."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automl_ad.selection.aggregation import borda, kemeny, kendall_distance
from automl_ad.selection.kemeny import EXACT_UP_TO, least_cost_order

small_costs = st.integers(1, 6).flatmap(
    lambda n: arrays(np.float64, (n, n), elements=st.integers(0, 9).map(float))
)
small_votes = arrays(
    np.float64,
    st.tuples(st.integers(1, 5), st.integers(1, 6)),
    elements=st.one_of(st.integers(0, 4).map(float), st.just(np.nan)),
)


def cost_of(order, cost_KK) -> float:
    return sum(cost_KK[first, second] for first, second in combinations(order, 2))


def contradictions(figures, votes_CK) -> float:
    """Pairs of the votes that the figures order the other way; a tie of the figures counts half."""
    total = 0.0
    for vote in votes_CK:
        for j, k in combinations(range(len(vote)), 2):
            if vote[j] > vote[k] or vote[j] < vote[k]:
                product = (vote[j] - vote[k]) * (figures[j] - figures[k])
                total += 0.5 if product == 0 else float(product < 0)
    return total


@given(small_costs)
def test_a_small_pool_has_the_order_of_least_cost(cost_KK):
    least = min(cost_of(order, cost_KK) for order in permutations(range(len(cost_KK))))
    assert cost_of(least_cost_order(cost_KK), cost_KK) == least


@given(small_votes)
def test_kemeny_contradicts_as_few_pairs_as_any_order(votes_CK):
    orders = permutations(range(votes_CK.shape[1]))
    least = min(contradictions(order, votes_CK) for order in orders)
    assert contradictions(kemeny(list(votes_CK)), votes_CK) == least


@pytest.mark.parametrize("seed", range(5))
def test_no_single_move_improves_a_large_pool(seed):
    cost_KK = np.random.default_rng(seed).random((EXACT_UP_TO + 7, EXACT_UP_TO + 7))
    found = list(least_cost_order(cost_KK))
    for candidate in found:
        others = [other for other in found if other != candidate]
        for place in range(len(found)):
            moved = [*others[:place], candidate, *others[place:]]
            assert cost_of(moved, cost_KK) >= cost_of(found, cost_KK) - 1e-9


def test_the_search_is_no_worse_than_the_count_it_starts_from():
    votes_CK = np.random.default_rng(0).random((5, 30))
    count_K = borda(list(votes_CK))
    assert contradictions(kemeny(list(votes_CK)), votes_CK) < contradictions(count_K, votes_CK)


@given(arrays(np.float64, st.tuples(st.just(2), st.integers(2, 8)), elements=st.integers(0, 4).map(float)))
def test_kendall_distance_counts_pairs(figures):
    one, other = figures
    pairs = [
        abs(np.sign(one[j] - one[k]) - np.sign(other[j] - other[k])) / 2
        for j, k in combinations(range(len(one)), 2)
    ]
    assert kendall_distance(one, other) == pytest.approx(np.mean(pairs))
