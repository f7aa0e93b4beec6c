from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.neighbors import KernelDensity

from automl_ad.detectors.kde import Kde
from automl_ad.errors import ArtifactError, TrialFailed
from automl_ad.results import Value


def make_detector(rows: np.ndarray, **params: Value) -> Kde:
    detector = Kde.build(params, n_features=rows.shape[1], n_members=1, seed=0)
    detector.fit(rows, seed=0)
    return detector


def make_rows(n_rows: int, n_features: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_rows, n_features)).astype(np.float32)


def test_new_rows_score_like_scikit_learn() -> None:
    rows, queries = make_rows(150, 4), 3 * make_rows(20, 4, seed=1)
    detector = make_detector(rows)
    reference = KernelDensity(bandwidth=detector.bandwidth).fit(rows)
    expected = -reference.score_samples(queries)
    # its tree accumulates kernels as a difference of bounds, and is off by 2e-7 for far queries
    np.testing.assert_allclose(detector.scores(queries)["nll"][0], expected, rtol=1e-6)


def test_stored_rows_score_as_if_left_out_once() -> None:
    rows = make_rows(30, 3)
    rows[7] = rows[3]
    rows[9, 0] = -0.0
    detector = make_detector(rows)
    queries = rows + np.float32(0)
    for index, score in enumerate(detector.scores(queries)["nll"][0]):
        others = np.delete(rows, index, axis=0).astype(np.float64)
        exponents = -np.square(others - rows[index]).sum(axis=1) / (2 * detector.bandwidth**2)
        kernels = exponents - 1.5 * np.log(2 * np.pi * detector.bandwidth**2)
        assert score == pytest.approx(np.log(29) - logsumexp(kernels), rel=1e-9)


def test_two_dimensions_take_scotts_rule() -> None:
    rows = make_rows(4000, 2)
    assert make_detector(rows).bandwidth == pytest.approx(
        rows.std(axis=0).mean() * 4000 ** (-1 / 6), rel=0.01
    )


def test_in_many_dimensions_the_bandwidth_reaches_the_neighbours() -> None:
    rows = make_rows(400, 40)
    distances = np.sort(np.linalg.norm(rows[:, None] - rows[None], axis=2), axis=1)
    assert make_detector(rows).bandwidth == pytest.approx(np.median(distances[:, 20]) / 2, rel=1e-5)
    assert make_detector(rows).bandwidth > 400 ** (-1 / 44)


def test_the_factor_scales_the_bandwidth() -> None:
    rows = make_rows(90, 3)
    assert make_detector(rows, bandwidth_factor=0.3).bandwidth == pytest.approx(
        0.3 * make_detector(rows).bandwidth
    )


def test_wide_tables_are_projected_on_95_percent_of_the_variance() -> None:
    rows = make_rows(200, 5) @ make_rows(5, 80, seed=1) + 0.01 * make_rows(200, 80, seed=2)
    detector = make_detector(rows)
    assert detector.arrays()["projection"].shape[0] == 80
    assert detector.arrays()["projection"].shape[1] <= 5
    assert np.isfinite(detector.scores(rows)["nll"]).all()


def test_a_wide_stored_row_is_left_out_too() -> None:
    rows = make_rows(60, 80)
    rows[0] *= 20
    detector = make_detector(rows)
    moved = rows[:1] + np.float32(1e-3)
    stored, almost = detector.scores(rows[:1])["nll"], detector.scores(moved)["nll"]
    assert stored[0, 0] > almost[0, 0] + 100


def test_no_more_than_max_rows_are_stored() -> None:
    rows = make_rows(500, 3)
    kept = make_detector(rows, max_rows=120).arrays()["rows"]
    assert kept.shape == (120, 3)
    assert {row.tobytes() for row in kept} <= {row.tobytes() for row in rows}


def test_the_farther_of_two_distant_rows_is_stranger() -> None:
    detector = make_detector(make_rows(50, 3))
    near, far = detector.scores(np.array([[50, 0, 0], [51, 0, 0]], np.float32))["nll"][0]
    assert near < far < np.inf


@pytest.mark.parametrize("n_features", [3, 60])
def test_identical_rows_fail_the_trial(n_features: int) -> None:
    with pytest.raises(TrialFailed, match="kde needs features that vary"):
        make_detector(np.ones((20, n_features), np.float32))


def test_a_bandwidth_of_zero_in_a_file_is_refused() -> None:
    detector = make_detector(make_rows(20, 3))
    with pytest.raises(ArtifactError, match="'bandwidth' must be positive"):
        detector.load_arrays(detector.arrays() | {"bandwidth": np.zeros(1)})
