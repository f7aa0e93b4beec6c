from __future__ import annotations

import numpy as np
import pytest
from sklearn.svm import OneClassSVM

from automl_ad.detectors import ocsvm
from automl_ad.detectors.ocsvm import OneClassSvm
from automl_ad.errors import ArtifactError, TrialFailed
from automl_ad.results import Value


def make_rows(n_rows: int = 200) -> np.ndarray:
    return np.random.default_rng(6).normal(size=(n_rows, 5)).astype(np.float32)


def make_detector(rows: np.ndarray, **params: Value) -> OneClassSvm:
    detector = OneClassSvm.build(params, n_features=rows.shape[1], n_members=1, seed=0)
    detector.fit(rows, seed=0)
    return detector


@pytest.mark.parametrize(("nu", "gamma_factor"), [(0.5, 1.0), (0.05, 0.2), (0.2, 10.0)])
def test_parity_with_scikit_learn(nu: float, gamma_factor: float) -> None:
    rows = make_rows()
    gamma = gamma_factor / (5 * rows.astype(np.float64).var())
    reference = OneClassSVM(nu=nu, gamma=gamma).fit(rows.astype(np.float64))
    queries = 2 * make_rows(50)
    scores = make_detector(rows, nu=nu, gamma_factor=gamma_factor).scores(queries)["margin"][0]
    np.testing.assert_allclose(scores, -reference.decision_function(queries.astype(np.float64)), rtol=1e-9)


def test_about_a_share_nu_of_the_rows_lies_outside() -> None:
    rows = make_rows(400)
    assert np.mean(make_detector(rows, nu=0.2).scores(rows)["margin"] > 0) == pytest.approx(0.2, abs=0.05)


def test_large_tables_are_subsampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ocsvm, "MAX_ROWS", 60)
    detector = make_detector(make_rows(400), nu=0.98)
    assert 55 <= len(detector.arrays()["support_vectors"]) <= 60


def test_an_unbounded_margin_fails_the_trial() -> None:
    with pytest.raises(TrialFailed, match="ocsvm found no margin"):
        make_detector(make_rows(), nu=1.0)


def test_identical_rows_fail_the_trial() -> None:
    with pytest.raises(TrialFailed, match="ocsvm needs features that vary"):
        make_detector(np.ones((20, 3), np.float32))


def test_a_gamma_of_zero_in_a_file_is_refused() -> None:
    detector = make_detector(make_rows(50))
    with pytest.raises(ArtifactError, match="'gamma' must be positive"):
        detector.load_arrays(detector.arrays() | {"gamma": np.zeros(1)})
