from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import IsolationForest as Forest

from automl_ad.detectors.isolation_forest import IsolationForest, average_path_length
from automl_ad.errors import ArtifactError
from automl_ad.results import Value

Nodes = dict[str, np.ndarray]


def make_rows(n_rows: int = 300) -> np.ndarray:
    rows = np.random.default_rng(8).normal(size=(n_rows, 5)).astype(np.float32)
    rows[:, 1] = rows[:, 1].round()
    rows[:, 2] = 0.5
    rows[50:60] = rows[:10]
    return rows


def make_detector(rows: np.ndarray, **params: Value) -> IsolationForest:
    detector = build(**params)
    detector.fit(rows, seed=0)
    return detector


def build(**params: Value) -> IsolationForest:
    return IsolationForest.build(params, n_features=5, n_members=1, seed=0)


@pytest.mark.parametrize(
    ("n_trees", "max_samples", "max_features"), [(100, 256, 1.0), (50, 64, 0.3), (60, 1024, 0.7), (1, 2, 1.0)]
)
def test_parity_with_scikit_learn(n_trees: int, max_samples: int, max_features: float) -> None:
    rows = make_rows()
    detector = make_detector(rows, n_trees=n_trees, max_samples=max_samples, max_features=max_features)
    reference = Forest(
        n_estimators=n_trees, max_samples=min(max_samples, 300), max_features=max_features, random_state=0
    ).fit(rows)
    for queries in (rows, 3 * make_rows(60)):
        np.testing.assert_allclose(
            detector.scores(queries)["depth"][0], -reference.score_samples(queries), rtol=1e-12
        )


def test_rows_on_a_threshold_go_the_way_of_scikit_learn() -> None:
    rows = make_rows()
    detector = make_detector(rows, n_trees=50)
    reference = Forest(n_estimators=50, max_samples=256, random_state=0).fit(rows)
    thresholds = detector.arrays()["thresholds"].astype(np.float32)
    queries = np.stack([np.nextafter(thresholds, way) for way in np.float32([-9, 0, 9])])
    queries = np.repeat(queries.reshape(-1, 1), 5, axis=1)[::7]
    np.testing.assert_allclose(
        detector.scores(queries)["depth"][0], -reference.score_samples(queries), rtol=1e-12
    )


def test_the_mean_path_length_of_the_paper() -> None:
    np.testing.assert_allclose(average_path_length(np.array([0, 1, 2, 256])), [0, 0, 1, 10.244], atol=1e-3)


def test_scores_lie_in_the_unit_interval_and_an_outlier_is_above_a_half() -> None:
    rows = make_rows()
    detector = make_detector(rows)
    scores = detector.scores(np.concatenate([rows, np.full((1, 5), 30, np.float32)]))["depth"][0]
    assert (scores > 0).all()
    assert (scores <= 1).all()
    assert scores[-1] == scores.max() > 0.5


def test_identical_rows_give_one_score() -> None:
    rows = np.ones((20, 5), np.float32)
    assert np.ptp(make_detector(rows).scores(rows)["depth"]) == 0


def one_tree() -> Nodes:
    """Root 0 with leaf 1 and node 2, which has leaves 3 and 4."""
    return {
        "roots": np.array([0], np.int32),
        "children": np.array([[1, 2], [-1, -1], [3, 4], [-1, -1], [-1, -1]], np.int32),
        "features": np.array([0, 0, 1, 0, 0], np.int32),
        "thresholds": np.zeros(5),
        "path_lengths": np.array([0.0, 1.0, 1.0, 2.0, 2.0]),
        "n_samples": np.array([4], np.int32),
    }


def test_a_tree_written_by_hand_is_walked() -> None:
    detector = build(n_trees=1)
    detector.load_arrays(one_tree())
    rows = np.array([[0, 9, 0, 0, 0], [1, 0, 0, 0, 0], [1, 1, 0, 0, 0]], np.float32)
    lengths = -np.log2(detector.scores(rows)["depth"][0]) * average_path_length(np.array([4]))
    np.testing.assert_allclose(lengths, [1, 2, 2])


def chain(n_nodes: int) -> np.ndarray:
    """Children of a degenerate tree as deep as half its nodes: it would take for ever to walk."""
    children = np.full((n_nodes, 2), -1, np.int32)
    inner = np.arange(0, n_nodes - 2, 2)
    children[inner] = np.stack([inner + 1, inner + 2], axis=1)
    return children


def grow_chain(nodes: Nodes) -> None:
    n_nodes = 200_001
    nodes["children"] = chain(n_nodes)
    nodes.update(features=np.zeros(n_nodes, np.int32), thresholds=np.zeros(n_nodes))
    nodes.update(path_lengths=np.zeros(n_nodes))


def set_value(name: str, index: tuple[int, ...], value: float) -> Callable[[Nodes], None]:
    def change(nodes: Nodes) -> None:
        nodes[name][index] = value

    return change


@pytest.mark.parametrize(
    ("craft", "array"),
    [
        pytest.param(set_value("children", (2, 1), 5), "children", id="child beyond the end"),
        pytest.param(set_value("children", (2, 1), 0), "children", id="cycle to the root"),
        pytest.param(set_value("children", (2, 1), 2), "children", id="cycle to itself"),
        pytest.param(set_value("children", (2, 1), -7), "children", id="negative child"),
        pytest.param(set_value("children", (2, 1), -1), "children", id="one child only"),
        pytest.param(set_value("children", (2, 1), 3), "children", id="child twice"),
        pytest.param(set_value("children", (0, 0), 3), "children", id="shared child and stray node"),
        pytest.param(set_value("roots", (0,), 2), "children", id="root within a tree"),
        pytest.param(set_value("roots", (0,), 5), "roots", id="root beyond the end"),
        pytest.param(set_value("roots", (0,), -1), "roots", id="negative root"),
        pytest.param(set_value("features", (2,), 5), "features", id="feature beyond the last"),
        pytest.param(set_value("features", (2,), -2), "features", id="negative feature"),
        pytest.param(set_value("thresholds", (2,), np.nan), "thresholds", id="threshold NaN"),
        pytest.param(set_value("path_lengths", (1,), np.inf), "path_lengths", id="path length infinite"),
        pytest.param(set_value("path_lengths", (1,), -1), "path_lengths", id="path length negative"),
        pytest.param(set_value("n_samples", (0,), 0), "n_samples", id="no samples"),
        pytest.param(set_value("n_samples", (0,), 2), "children", id="deeper than its sample allows"),
        pytest.param(grow_chain, "children", id="a chain of 100,000 nodes"),
    ],
)
def test_a_crafted_file_is_refused(craft: Callable[[Nodes], None], array: str) -> None:
    nodes = one_tree()
    craft(nodes)
    with pytest.raises(ArtifactError, match=f"'{array}'"):
        build(n_trees=1).load_arrays(nodes)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from(["roots", "children", "features", "n_samples"]),
    place=st.integers(0, 10_000),
    value=st.integers(-(2**31), 2**31 - 1) | st.integers(-3, 12),
)
def test_any_changed_index_is_refused_or_harmless(name: str, place: int, value: int) -> None:
    nodes = one_tree()
    nodes[name].flat[place % nodes[name].size] = value
    detector = build(n_trees=1)
    try:
        detector.load_arrays(nodes)
    except ArtifactError:
        return
    assert np.isfinite(detector.scores(make_rows(100))["depth"]).all()
