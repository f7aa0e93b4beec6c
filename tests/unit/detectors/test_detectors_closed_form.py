from __future__ import annotations

import numpy as np
import pytest

from automl_ad.detectors import closed_form
from automl_ad.detectors.closed_form import CheckedArrays, squared_distances, subsample
from automl_ad.detectors.knn import Knn
from automl_ad.errors import ArtifactError, TrialFailed


def make_rows(n_rows: int, n_features: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_rows, n_features)).astype(np.float32)


def test_arrays_are_handed_out_with_what_was_asked_for() -> None:
    checked = CheckedArrays({"mean": np.zeros(3), "stray": np.zeros(1)})
    assert checked.take("mean", np.float64, 3).shape == (3,)
    assert list(checked.taken) == ["mean"]


@pytest.mark.parametrize(
    ("array", "rule"),
    [
        (np.zeros(3, np.float32), "be float64, got float32"),
        (np.zeros((3, 1)), r"have shape \(3,\), got \(3, 1\)"),
        (np.full(3, np.inf), "be finite, got NaN or infinity"),
    ],
)
def test_a_wrong_array_is_refused_by_name_and_rule(array: np.ndarray, rule: str) -> None:
    with pytest.raises(ArtifactError, match=f"detector array 'mean' must {rule}"):
        CheckedArrays({"mean": array}).take("mean", np.float64, 3)


def test_a_free_axis_still_needs_one_entry() -> None:
    with pytest.raises(ArtifactError, match="have shape"):
        CheckedArrays({"rows": np.zeros((0, 3))}).take("rows", np.float64, None, 3)


def test_blocks_of_rows_score_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make_rows(61)
    detector = Knn.build({"n_neighbors": 4}, n_features=3, n_members=1, seed=0)
    detector.fit(rows, seed=0)
    whole = detector.scores(rows)["distance"]
    monkeypatch.setattr(closed_form, "BLOCK_VALUES", 7 * detector.values_per_row)
    np.testing.assert_allclose(detector.scores(rows)["distance"], whole, rtol=1e-12)


def test_no_rows_give_no_scores() -> None:
    detector = Knn.build({"n_neighbors": 4}, n_features=3, n_members=1, seed=0)
    detector.fit(make_rows(9), seed=0)
    assert detector.scores(make_rows(0))["distance"].shape == (1, 0)


def test_one_row_is_too_few_to_fit() -> None:
    with pytest.raises(TrialFailed, match="knn needs at least 2 rows, got 1"):
        Knn.build({}, n_features=3, n_members=1, seed=0).fit(make_rows(1), seed=0)


def test_a_subsample_is_seeded_and_keeps_the_order() -> None:
    rows = np.arange(100, dtype=np.float32)[:, None]
    chosen = subsample(rows, 30, seed=1)
    assert chosen.shape == (30, 1)
    assert (np.diff(chosen[:, 0]) > 0).all()
    np.testing.assert_array_equal(chosen, subsample(rows, 30, seed=1))
    assert (chosen != subsample(rows, 30, seed=2)).any()
    assert subsample(rows, 100, seed=1) is rows


def test_squared_distances_equal_those_of_differences() -> None:
    queries, rows = make_rows(5).astype(np.float64), make_rows(8, seed=1).astype(np.float64)
    expected = np.square(queries[:, None] - rows[None]).sum(axis=2)
    actual = squared_distances(queries, rows, np.square(rows).sum(axis=1))
    np.testing.assert_allclose(actual, expected, rtol=1e-12)
