from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from automl_ad.detectors.mahalanobis import Mahalanobis
from automl_ad.errors import TrialFailed


def make_rows(n_rows: int, n_features: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    return (rng.normal(size=(n_rows, n_features)) @ rng.normal(size=(n_features, n_features))).astype(
        np.float32
    )


def fit_and_score(rows: np.ndarray, shrinkage: float) -> np.ndarray:
    detector = Mahalanobis.build({"shrinkage": shrinkage}, n_features=rows.shape[1], n_members=1, seed=0)
    detector.fit(rows, seed=0)
    return detector.scores(rows)["mahalanobis"][0]


@pytest.mark.parametrize("shrinkage", [1e-6, 0.01, 0.5])
def test_it_is_the_mahalanobis_distance_under_the_shrunk_covariance(shrinkage: float) -> None:
    rows = make_rows(80, 5)
    covariance = np.cov(rows.astype(np.float64), rowvar=False, bias=True)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / 5 * np.eye(5)
    mean = rows.astype(np.float64).mean(axis=0, keepdims=True)
    expected = cdist(rows.astype(np.float64), mean, "mahalanobis", VI=np.linalg.inv(shrunk))[:, 0]
    np.testing.assert_allclose(fit_and_score(rows, shrinkage), expected, rtol=1e-6)


def test_full_shrinkage_is_the_plain_distance_to_the_mean() -> None:
    rows = make_rows(40, 3)
    plain = np.linalg.norm(rows - rows.mean(axis=0), axis=1)
    scores = fit_and_score(rows, 1.0)
    np.testing.assert_allclose(scores / scores.max(), plain / plain.max(), rtol=1e-5)


def test_more_features_than_rows_and_constant_features_work() -> None:
    rows = make_rows(20, 30)
    rows[:, 4] = 1.0
    assert np.isfinite(fit_and_score(rows, 1e-6)).all()


def test_one_feature_gives_the_standard_score() -> None:
    rows = np.array([[-1], [1], [-1], [1]], dtype=np.float32)
    np.testing.assert_allclose(fit_and_score(rows, 0.3), 1.0)


def test_identical_rows_fail_the_trial() -> None:
    with pytest.raises(TrialFailed, match="identical rows"):
        fit_and_score(np.ones((9, 3), np.float32), 0.01)
