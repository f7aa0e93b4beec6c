from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from automl_ad.detectors.pca import Pca
from automl_ad.errors import ArtifactError, TrialFailed


def make_detector(rows: np.ndarray, variance: float) -> Pca:
    detector = Pca.build({"variance": variance}, n_features=rows.shape[1], n_members=1, seed=0)
    detector.fit(rows, seed=0)
    return detector


def make_rows(spreads: list[float], n_rows: int = 200) -> np.ndarray:
    return (np.random.default_rng(1).normal(size=(n_rows, len(spreads))) * spreads).astype(np.float32)


def test_the_residual_is_the_squared_distance_to_the_plane() -> None:
    plane = make_rows([3.0, 2.0, 0.0, 0.0])
    detector = make_detector(plane, 0.99)
    off_plane = plane[:5] + np.array([0, 0, 3, 4], np.float32)
    np.testing.assert_allclose(detector.scores(off_plane)["residual"][0], 25.0, rtol=1e-5)
    np.testing.assert_allclose(detector.scores(plane)["residual"][0], 0.0, atol=1e-9)


@pytest.mark.parametrize(("variance", "n_kept"), [(0.5, 1), (0.85, 2), (0.99, 3), (1.0, 3)])
def test_the_fewest_components_that_reach_the_variance_are_kept(variance: float, n_kept: int) -> None:
    detector = make_detector(make_rows([3.0, 2.0, 1.0, 0.3]), variance)
    assert detector.arrays()["components"].shape == (n_kept, 4)


def test_parity_with_scikit_learn() -> None:
    rows = make_rows([3.0, 2.0, 1.5, 1.0, 0.7])
    detector = make_detector(rows, 0.8)
    reference = PCA(len(detector.variances_K)).fit(rows.astype(np.float64))
    projections = reference.transform(rows.astype(np.float64))
    residual = np.square(rows - reference.inverse_transform(projections)).sum(axis=1)
    scores = detector.scores(rows)
    np.testing.assert_allclose(scores["residual"][0], residual, rtol=1e-9)
    whitened = (projections**2 / reference.explained_variance_).sum(axis=1)
    np.testing.assert_allclose(scores["whitened"][0], whitened, rtol=1e-9)


def test_more_features_than_rows_leave_a_direction_out() -> None:
    rows = make_rows([1.0] * 30, n_rows=10)
    assert make_detector(rows, 1.0).arrays()["components"].shape == (8, 30)


@pytest.mark.parametrize(
    "rows", [make_rows([1.0]), np.ones((9, 3), np.float32), make_rows([1.0, 1.0], n_rows=2)]
)
def test_rows_without_two_directions_fail_the_trial(rows: np.ndarray) -> None:
    with pytest.raises(TrialFailed, match="pca needs"):
        make_detector(rows, 0.9)


def test_a_variance_of_zero_in_a_file_is_refused() -> None:
    detector = make_detector(make_rows([3.0, 2.0, 1.0]), 0.9)
    arrays = detector.arrays() | {"variances": np.zeros(len(detector.variances_K))}
    with pytest.raises(ArtifactError, match="'variances' must be positive"):
        detector.load_arrays(arrays)
