from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.mixture import GaussianMixture

from automl_ad.detectors.gmm import Gmm
from automl_ad.errors import ArtifactError, TrialFailed
from automl_ad.results import Value


def make_rows(n_rows: int = 240, n_features: int = 4) -> np.ndarray:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(n_rows, n_features)) @ rng.normal(size=(n_features, n_features))
    rows[::3] += 6
    return rows.astype(np.float32)


def make_detector(rows: np.ndarray, **params: Value) -> Gmm:
    detector = Gmm.build(params, n_features=rows.shape[1], n_members=1, seed=0)
    detector.fit(rows, seed=0)
    return detector


@pytest.mark.parametrize("covariance", ["full", "diag", "tied"])
@pytest.mark.parametrize("n_components", [1, 3])
def test_parity_with_scikit_learn(covariance: str, n_components: int) -> None:
    rows = make_rows()
    detector = make_detector(rows, covariance=covariance, n_components=n_components)
    reference = GaussianMixture(n_components, covariance_type=covariance, random_state=0).fit(
        rows.astype(np.float64)
    )
    queries = (1.5 * rows).astype(np.float64)
    scores = detector.scores(1.5 * rows)
    np.testing.assert_allclose(scores["L"][0], -reference.score_samples(queries), rtol=1e-9)
    part = reference.predict(queries)
    np.testing.assert_allclose(scores["D"][0], -np.log(reference.weights_[part]), rtol=1e-9)
    joint = scores["D"] + scores["A"] + scores["M"]
    posterior = reference.predict_proba(queries).max(axis=1)
    np.testing.assert_allclose(joint[0], scores["L"][0] - np.log(posterior), rtol=1e-9)


def test_with_one_component_L_is_D_plus_A_plus_M() -> None:
    rows = make_rows()
    scores = make_detector(rows).scores(rows)
    np.testing.assert_allclose(scores["L"], scores["D"] + scores["A"] + scores["M"], rtol=1e-12)
    np.testing.assert_array_equal(scores["D"], 0.0)


def test_M_is_half_the_squared_mahalanobis_distance() -> None:
    rows = make_rows().astype(np.float64)
    covariance = np.cov(rows, rowvar=False, bias=True) + 1e-6 * np.eye(4)
    distance = cdist(rows, rows.mean(axis=0, keepdims=True), "mahalanobis", VI=np.linalg.inv(covariance))
    scores = make_detector(rows.astype(np.float32)).scores(rows.astype(np.float32))
    np.testing.assert_allclose(scores["M"][0], 0.5 * distance[:, 0] ** 2, rtol=1e-6)


@pytest.mark.parametrize("covariance", ["full", "diag", "tied"])
def test_more_features_than_rows_with_constant_columns_work(covariance: str) -> None:
    rows = make_rows(45, 60)
    rows[:, 3:9] = 1.0
    scores = make_detector(rows, covariance=covariance, n_components=2).scores(rows)
    assert all(np.isfinite(values).all() for values in scores.values())


def test_few_distinct_rows_work() -> None:
    rows = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    assert np.isfinite(make_detector(rows, n_components=8).scores(rows)["L"]).all()


def test_a_singular_covariance_is_regularised_until_it_inverts() -> None:
    column = 1e4 * np.random.default_rng(0).normal(size=(50, 1))
    rows = np.repeat(column, 5, axis=1).astype(np.float32)
    assert np.isfinite(make_detector(rows, reg_covar=1e-12).scores(rows)["L"]).all()


def test_a_covariance_beyond_regularisation_fails_the_trial() -> None:
    rows = np.repeat(1e12 * np.random.default_rng(0).normal(size=(50, 1)), 5, axis=1).astype(np.float32)
    with pytest.raises(TrialFailed, match="no invertible covariance"):
        make_detector(rows)


def test_too_few_rows_fail_the_trial() -> None:
    with pytest.raises(TrialFailed, match="2 rows per component, got 7 for 4"):
        make_detector(make_rows(7), n_components=4)


@pytest.mark.parametrize("name", ["weights", "precisions_cholesky"])
def test_zeros_in_a_file_are_refused(name: str) -> None:
    detector = make_detector(make_rows(), n_components=2)
    with pytest.raises(ArtifactError, match=f"'{name}' must be positive"):
        detector.load_arrays(detector.arrays() | {name: np.zeros_like(detector.arrays()[name])})
