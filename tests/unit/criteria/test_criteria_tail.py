"""The shape of the upper tail."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automl_ad.criteria import CRITERIA, tail_figures

BULK = np.linspace(0, 1, 95)


def test_the_further_the_top_stands_off_the_better(make_evidence):
    pool = [(f"detector_{gap}", np.concatenate([BULK, gap + np.linspace(1, 1.1, 5)])) for gap in (0, 1, 4)]
    assert CRITERIA["tail_shape"](make_evidence(pool)).tolist() == [1 / 3, 2 / 3, 1]


def test_relative_top_median_is_as_published():
    scores = np.arange(100.0)[None] + 5
    (rtm,), _ = tail_figures(scores)
    np.testing.assert_allclose(rtm, (97 - 49.5) / 49.5, rtol=1e-4)


@given(arrays(np.float64, 40, elements=st.floats(0, 100)), st.floats(0.1, 1e3), st.floats(-100, 100))
def test_figures_have_no_unit_and_are_finite(scores, factor, shift):
    scores[0] = scores.max() + 1
    plain, changed = tail_figures(scores[None]), tail_figures(factor * scores[None] + shift)
    np.testing.assert_allclose(changed, plain, rtol=1e-3, atol=1e-3)
    assert np.isfinite(plain).all()


def test_the_two_figures_are_criteria_of_their_own(make_evidence):
    evidence = make_evidence([("knn", BULK), ("pca", BULK**3)])
    rtm, eag = tail_figures(evidence.scores_KN)
    assert CRITERIA["relative_top_median"](evidence).tolist() == rtm.tolist()
    assert CRITERIA["expected_anomaly_gap"](evidence).tolist() == eag.tolist()


def test_entropy_is_one_for_equal_scores_and_zero_for_one_row(make_evidence):
    evidence = make_evidence([("knn", np.ones(50)), ("pca", np.arange(50) == 7), ("kde", np.arange(50) < 7)])
    np.testing.assert_allclose(CRITERIA["loss_entropy"](evidence), [1, 0, np.log(7) / np.log(50)], atol=1e-12)


def test_constant_scores_have_no_tail():
    assert np.array(tail_figures(np.ones((1, 50)))).tolist() == [[0.0], [0.0]]
