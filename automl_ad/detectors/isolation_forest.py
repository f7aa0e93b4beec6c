"""Isolation Forest (Liu, Ting and Zhou 2008), kept as node arrays and walked level by level.

scikit-learn grows the trees; no estimator is kept, because a crafted file of its `Tree` can crash or hang
the process (DESIGN D8). Shapes: N rows, T trees, D features, M nodes of all trees together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest as Forest
from sklearn.tree import ExtraTreeRegressor

from automl_ad.detectors.base import ScoreType
from automl_ad.detectors.closed_form import (
    ArrayDetector,
    CheckedArrays,
    Float32Array,
    Float64Array,
    require_array,
)
from automl_ad.detectors.params import read_float, read_int
from automl_ad.results import Value

IntArray = npt.NDArray[np.int32]
LEAF = -1


class IsolationForest(ArrayDetector):
    """How few random cuts separate a row from a sample of the data."""

    name = "isolation_forest"
    score_types = (ScoreType(name="depth", meaning="2^(-E[h(x)] / c(max_samples)), in (0, 1] (eq. 2)"),)

    def read(self, params: Mapping[str, Value]) -> None:
        """`n_trees`, `max_samples` rows and the share `max_features` of the features for each tree."""
        self.n_trees = read_int(params, "n_trees", 100)
        self.max_samples = read_int(params, "max_samples", 256, low=2)
        self.max_features = read_float(params, "max_features", 1.0, up_to=1.0)

    def estimate(self, x_ND: Float32Array, seed: int) -> dict[str, npt.NDArray[np.generic]]:
        """The nodes of all trees, one tree after the other, and the size of a tree's sample."""
        n_samples = min(self.max_samples, len(x_ND))
        forest = Forest(
            n_estimators=self.n_trees,
            max_samples=n_samples,
            max_features=self.max_features,
            random_state=seed,
        ).fit(x_ND)
        trees = [
            tree_nodes(tree, features)
            for tree, features in zip(forest.estimators_, forest.estimators_features_, strict=True)
        ]
        sizes_T = np.array([len(tree["features"]) for tree in trees])
        starts_T = np.cumsum(sizes_T) - sizes_T
        nodes = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
        shift_M = np.repeat(starts_T, sizes_T)[:, None]
        children_M2 = np.where(nodes["children"] == LEAF, LEAF, nodes["children"] + shift_M)
        nodes["children"] = children_M2.astype(np.int32)
        return {**nodes, "roots": starts_T.astype(np.int32), "n_samples": np.array([n_samples], np.int32)}

    def adopt(self, arrays: CheckedArrays) -> None:
        """Take roots [T], children [M, 2], features, thresholds and path lengths [M]; check every index."""
        self.roots_T: IntArray = arrays.take("roots", np.int32, self.n_trees)
        children_M2: IntArray = arrays.take("children", np.int32, None, 2)
        n_nodes = len(children_M2)
        self.features_M: IntArray = arrays.take("features", np.int32, n_nodes)
        self.thresholds_M: Float64Array = arrays.take("thresholds", np.float64, n_nodes)
        self.path_lengths_M: Float64Array = arrays.take("path_lengths", np.float64, n_nodes)
        n_samples = int(arrays.take("n_samples", np.int32, 1)[0])
        require_array(n_samples >= 2, "n_samples", "be at least 2", f"{n_samples}")
        self.expected_length = float(average_path_length(np.array([n_samples]))[0])
        self.check_values()
        check_links(children_M2, self.roots_T)
        self.n_levels = count_levels(children_M2, self.roots_T, max_levels=max_depth(n_samples))
        # a leaf leads to itself, so that every row may walk as many levels as the deepest tree has
        is_leaf_M1 = children_M2[:, :1] == LEAF
        self.children = np.where(is_leaf_M1, np.arange(n_nodes)[:, None], children_M2).ravel()

    def check_values(self) -> None:
        """Raise ArtifactError unless features exist and path lengths are not negative."""
        in_range = (self.features_M >= 0) & (self.features_M < self.n_features)
        require_array(bool(in_range.all()), "features", f"be in [0, {self.n_features})", "one outside")
        require_array(bool((self.path_lengths_M >= 0).all()), "path_lengths", "be >= 0", "a negative one")

    @property
    def values_per_row(self) -> int:
        """One row's node in every tree, and what is looked up there."""
        return 4 * self.n_trees

    def evaluate(self, x_ND: Float32Array) -> dict[str, Float64Array]:
        """The score of the mean path length; right when the float32 value is above the float64 threshold."""
        offsets_N1 = np.arange(len(x_ND))[:, None] * self.n_features
        values = np.ascontiguousarray(x_ND).ravel()
        node_NT = np.broadcast_to(self.roots_T.astype(np.int64), (len(x_ND), self.n_trees))
        for _ in range(self.n_levels):
            value_NT = values[offsets_N1 + self.features_M[node_NT]]
            is_right_NT = value_NT > self.thresholds_M[node_NT]
            node_NT = self.children[2 * node_NT + is_right_NT]
        mean_length_N = self.path_lengths_M[node_NT].mean(axis=1)
        return {"depth": np.exp2(-mean_length_N / self.expected_length)}


def tree_nodes(
    tree: ExtraTreeRegressor, features: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of one tree; its nodes stand in depth-first order, so children follow their parent."""
    nodes = tree.tree_
    children_M2 = np.stack([nodes.children_left, nodes.children_right], axis=1)
    is_leaf_M = children_M2[:, 0] == LEAF
    depth_M = nodes.compute_node_depths() - 1  # the root counts as 1 there
    return {
        "children": children_M2,
        "features": features[np.where(is_leaf_M, 0, nodes.feature)].astype(np.int32),
        "thresholds": np.where(is_leaf_M, 0.0, nodes.threshold),
        "path_lengths": depth_M + average_path_length(nodes.n_node_samples),
    }


def average_path_length(n_rows: npt.NDArray[np.int64]) -> Float64Array:
    """c(n), the mean path length of an unsuccessful search among n rows (eq. 1); 0 for n = 1, 1 for n = 2.

    >>> average_path_length(np.array([1, 2, 256])).round(3).tolist()
    [0.0, 1.0, 10.245]
    """
    others = np.maximum(n_rows - 1, 1)
    length = 2.0 * (np.log(others) + np.euler_gamma) - 2.0 * others / np.maximum(n_rows, 1)
    return np.select([n_rows <= 1, n_rows == 2], [0.0, 1.0], length)


def max_depth(n_samples: int) -> int:
    """The height limit ceil(log2 n) of a tree grown on n rows (section 4.1)."""
    return math.ceil(math.log2(n_samples))


def check_links(children_M2: IntArray, roots_T: IntArray) -> None:
    """Raise ArtifactError unless the links form one tree per root: no cycle, no shared or stray node."""
    n_nodes = len(children_M2)
    is_leaf_M2 = children_M2 == LEAF
    both_or_none = is_leaf_M2[:, 0] == is_leaf_M2[:, 1]
    require_array(bool(both_or_none.all()), "children", "be two or none per node", "a node with one")
    follows = children_M2 > np.arange(n_nodes)[:, None]
    in_range = is_leaf_M2 | (follows & (children_M2 < n_nodes))
    require_array(bool(in_range.all()), "children", "lie between their parent and the end", "one outside")
    roots_in_range = (roots_T >= 0) & (roots_T < n_nodes)
    require_array(bool(roots_in_range.all()), "roots", f"be in [0, {n_nodes})", "one outside")
    n_parents_M = np.bincount(np.concatenate([children_M2[~is_leaf_M2], roots_T]), minlength=n_nodes)
    require_array(bool((n_parents_M == 1).all()), "children", "reach every node once", "another count")


def count_levels(children_M2: IntArray, roots_T: IntArray, *, max_levels: int) -> int:
    """Links on the longest way from a root to a leaf. Raises ArtifactError beyond `max_levels`."""
    level, n_levels = roots_T, 0
    while len(level := children_M2[level].ravel()[children_M2[level].ravel() != LEAF]):
        n_levels += 1
        require_array(n_levels <= max_levels, "children", f"be at most {max_levels} deep", "more levels")
    return n_levels
