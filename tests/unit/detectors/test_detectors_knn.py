from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from automl_ad.detectors.knn import Knn
from automl_ad.errors import ArtifactError


def make_detector(rows: np.ndarray, n_neighbors: int, aggregate: str = "mean") -> Knn:
    params = {"n_neighbors": n_neighbors, "aggregate": aggregate}
    detector = Knn.build(params, n_features=rows.shape[1], n_members=1, seed=0)
    detector.fit(rows, seed=0)
    return detector


def slow_distances(query: np.ndarray, rows: np.ndarray, n_neighbors: int) -> np.ndarray:
    """The definition: drop one stored row that equals the query, sort, take the first k."""
    equal = np.flatnonzero((rows == query).all(axis=1))
    others = np.delete(rows, equal[:1], axis=0).astype(np.float64)
    distances = np.sort(np.linalg.norm(others - query.astype(np.float64), axis=1))
    return distances[: min(n_neighbors, len(rows) - 1)]


@settings(max_examples=60, deadline=None)
@given(
    rows=arrays(np.float32, (13, 2), elements=st.sampled_from([0.0, -0.0, 1.0, 1.5, 7.0])),
    queries=arrays(np.float32, (4, 2), elements=st.sampled_from([0.0, 1.0, 1.25, 8.0])),
    n_neighbors=st.integers(1, 20),
)
def test_scores_equal_the_definition_with_duplicates(
    rows: np.ndarray, queries: np.ndarray, n_neighbors: int
) -> None:
    for points in (rows, queries):
        expected = [slow_distances(point, rows, n_neighbors) for point in points]
        mean = make_detector(rows, n_neighbors).scores(points)["distance"][0]
        largest = make_detector(rows, n_neighbors, "max").scores(points)["distance"][0]
        np.testing.assert_allclose(mean, [distances.mean() for distances in expected], rtol=1e-12, atol=0)
        np.testing.assert_allclose(largest, [distances[-1] for distances in expected], rtol=1e-12, atol=0)


def test_300_features_with_duplicates_and_near_duplicates() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(120, 300)).astype(np.float32)
    rows[40:80] = rows[:40]
    rows[80] = rows[0]
    rows[81] = np.nextafter(rows[1], np.float32(9))
    scores = make_detector(rows, 3).scores(rows)["distance"][0]
    expected = [slow_distances(row, rows, 3).mean() for row in rows]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_a_row_among_as_many_copies_as_neighbours_scores_zero() -> None:
    rows = np.concatenate([np.ones((6, 4)), np.zeros((9, 4))]).astype(np.float32)
    scores = make_detector(rows, 5).scores(rows)["distance"][0]
    np.testing.assert_array_equal(scores, 0.0)


def test_too_many_neighbours_mean_all_others() -> None:
    rows = np.array([[0.0], [1.0], [5.0]], dtype=np.float32)
    detector = make_detector(rows, 200)
    np.testing.assert_allclose(detector.scores(rows)["distance"][0], [3.0, 2.5, 4.5])


def test_one_stored_row_in_a_file_is_refused() -> None:
    detector = make_detector(np.eye(3, dtype=np.float32), 1)
    with pytest.raises(ArtifactError, match="hold at least 2 rows"):
        detector.load_arrays({"rows": np.ones((1, 3), np.float32)})
