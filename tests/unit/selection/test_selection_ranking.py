"""Who votes, how votes add up, and how ties are broken."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automl_ad.config import SearchConfig
from automl_ad.selection import select
from automl_ad.selection.ranking import borda

votes = arrays(
    np.float64, st.tuples(st.integers(1, 4), st.integers(1, 8)), elements=st.integers(0, 5).map(float)
)


@given(votes, st.randoms())
def test_borda_follows_a_permutation_of_the_candidates(votes_CK, random):
    order = list(range(votes_CK.shape[1]))
    random.shuffle(order)
    np.testing.assert_allclose(borda(list(votes_CK[:, order])), borda(list(votes_CK))[order])


@given(votes)
def test_borda_lies_between_zero_and_one_and_reads_ranks_only(votes_CK):
    total = borda(list(votes_CK))
    assert ((total > 0) & (total <= 1)).all()
    np.testing.assert_array_equal(borda(list(np.exp(votes_CK))), total)


def test_orderings_are_not_ranks():
    """A public implementation sums the orderings themselves: 3, 3, 3, 5 here."""
    first_to_last = ([3, 0, 1, 2], [0, 3, 1, 2])
    total = borda([-np.argsort(ordering).astype(float) for ordering in first_to_last])
    assert total[0] == total[3] > total[1] > total[2]


def test_borda_leaves_absent_figures_out():
    nan = np.nan
    assert borda([np.array([1.0, nan, 2.0]), np.array([1.0, 2.0, 3.0])]).tolist() == pytest.approx(
        [(1 / 2 + 1 / 3) / 2, 2 / 3, 1.0]
    )
    assert borda([np.array([1.0, nan])]).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("reverse", [False, True])
def test_ties_go_to_baselines_then_to_the_cheaper_then_to_the_key(anchors, make_trial, noisy_truth, reverse):
    scores = noisy_truth(0.1, 7)
    tied = [
        make_trial(9, "ocsvm", scores),
        make_trial(6, "ocsvm", scores, checkpoints=(40,)),
        make_trial(10, "ocsvm", scores, n_parameters=10),
        make_trial(8, "ocsvm", scores),
        make_trial(7, "ocsvm", scores, checkpoints=(20,)),
        make_trial(11, "ocsvm", scores, origin="baseline"),
    ]
    results = [*anchors, *(reversed(tied) if reverse else tied)]
    ranked = [row.key.trial for row in select(results, SearchConfig()).ranking]
    assert [trial for trial in ranked if trial > 5] == [11, 8, 9, 10, 7, 6]


def test_no_candidate_is_judged_by_its_own_anchor(anchors, make_trial):
    copy = make_trial(6, "knn", anchors[1].candidates[0].panel_scores)
    foreign = make_trial(7, "autoencoder", anchors[1].candidates[0].panel_scores)
    ranking = select([*anchors, copy, foreign], SearchConfig()).ranking
    agreement = {row.key.trial: row.criteria["anchor_agreement"] for row in ranking}
    assert agreement[6] == agreement[1] < agreement[7]
