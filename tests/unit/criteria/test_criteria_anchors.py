"""Who the anchors are, and that nobody is judged by itself."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.criteria import CRITERIA, anchor_agreement_of, anchors_of

RNG = np.random.default_rng(0)
KNN, PCA = RNG.random(50), RNG.random(50)


def test_anchors_are_the_native_scores_of_named_baselines(make_candidate, make_result):
    results = [
        make_result(
            make_candidate(PCA, trial=1, detector="pca"),
            make_candidate(KNN, trial=1, detector="pca"),
            trial=1,
            detector="pca",
            origin="baseline",
        ),
        make_result(make_candidate(KNN), trial=0, detector="knn", origin="baseline"),
        make_result(make_candidate(KNN), trial=2, detector="ocsvm", origin="baseline"),
        make_result(make_candidate(KNN), trial=3, detector="gmm", origin="sampled"),
    ]
    anchors = anchors_of(results)
    assert list(anchors) == ["knn", "pca"]
    np.testing.assert_array_equal(anchors["pca"], PCA.astype(np.float32))
    assert anchors["pca"].dtype == np.float64


def test_failed_and_degenerate_baselines_are_no_anchors(make_candidate, make_result):
    results = [
        make_result(trial=0, detector="knn", origin="baseline", state="failed"),
        make_result(make_candidate(np.ones(50)), trial=1, detector="pca", origin="baseline"),
        make_result(make_candidate([np.nan] * 50), trial=2, detector="kde", origin="baseline"),
    ]
    assert anchors_of(results) == {}


def test_a_detector_is_not_compared_with_its_own_anchor():
    anchors = {"knn": KNN, "pca": PCA}
    assert anchor_agreement_of(KNN, "knn", anchors) == anchor_agreement_of(KNN, "knn", {"pca": PCA})
    assert anchor_agreement_of(KNN, "knn", anchors) < 0.5 < anchor_agreement_of(KNN, "autoencoder", anchors)


def test_agreement_of_one_candidate_is_what_the_criterion_says(make_evidence):
    pool = [("knn", KNN), ("autoencoder", KNN + PCA), ("pca", PCA)]
    anchors = {"knn": KNN, "pca": PCA}
    expected = [anchor_agreement_of(np.float32(scores), detector, anchors) for detector, scores in pool]
    np.testing.assert_allclose(
        CRITERIA["anchor_agreement"](make_evidence(pool, anchors)), expected, atol=1e-6
    )


@pytest.mark.parametrize("scores", [np.ones(50), np.full(50, np.inf)])
def test_agreement_of_degenerate_scores_is_absent(scores):
    assert np.isnan(anchor_agreement_of(scores, "autoencoder", {"knn": KNN}))


def test_agreement_without_other_anchors_is_absent():
    assert np.isnan(anchor_agreement_of(KNN, "knn", {"knn": KNN}))
