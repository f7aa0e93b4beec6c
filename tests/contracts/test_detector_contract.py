"""What every registered detector must do, whatever its method."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import safetensors.numpy
import torch
from scipy.stats import rankdata

from automl_ad.detectors import DETECTORS, DeepDetector
from automl_ad.detectors.base import ClosedFormDetector, Detector
from automl_ad.errors import ArtifactError
from automl_ad.space import load_detector
from automl_ad.training import fit

N_ROWS, N_FEATURES, N_ANOMALIES = 211, 7, 11
QUICK = {"n_epochs": 5, "pretrain_epochs": 5}
OWN_NEEDS = {"dagmm": {"latent_size": 4}, "rsrae": {"n_epochs": 100}}
"""DAGMM's published code of two cannot hold the three causes; an untrained RSRAE restores any direction."""


def make_rows(name: str) -> npt.NDArray[np.float32]:
    """Rows that the detector can read, the planted anomalies last."""
    reads_tables = "tabular" in load_detector(name, data_kind="image").data_kinds
    return make_table() if reads_tables else make_images()


def make_table() -> npt.NDArray[np.float32]:
    """Three hidden causes of seven features, z-scored; the last rows break the correlations, far out."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(N_ROWS, 3)) @ rng.normal(size=(3, N_FEATURES))
    rows += 0.3 * rng.normal(size=rows.shape)
    rows[-N_ANOMALIES:] += rng.choice([-1, 1], (N_ANOMALIES, N_FEATURES)) * rng.uniform(
        6, 9, (N_ANOMALIES, 1)
    )
    return ((rows - rows.mean(axis=0)) / rows.std(axis=0)).astype(np.float32)


def make_images() -> npt.NDArray[np.float32]:
    """A bright blob somewhere on 8 x 8 dark pixels; the last images are inverted, or noise."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:8, :8]
    center_N2, width_N = rng.uniform(2, 5, size=(N_ROWS, 2)), rng.uniform(1, 1.5, N_ROWS)
    distance2 = (y.ravel() - center_N2[:, :1]) ** 2 + (x.ravel() - center_N2[:, 1:]) ** 2
    images = np.exp(-distance2 / (2 * width_N[:, None] ** 2))
    images[-N_ANOMALIES:] = 1 - images[-N_ANOMALIES:]
    images[-N_ANOMALIES // 2 :] = rng.random(images[-N_ANOMALIES // 2 :].shape)
    return images.astype(np.float32)


def make_fitted(name: str, seed: int = 3) -> Detector:
    detector = build(name)
    fit(detector, make_rows(name), seed=seed, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def build(name: str, n_members: int = 2) -> Detector:
    n_features = make_rows(name).shape[1]
    params = {**QUICK, **OWN_NEEDS.get(name, {})}
    return DETECTORS[name].build(params, n_features=n_features, n_members=n_members, seed=3)


def rank_auc(scores: npt.NDArray[np.float64]) -> float:
    """Probability that one of the planted anomalies, the last rows, scores above another row."""
    n_normal = len(scores) - N_ANOMALIES
    rank_sum = rankdata(scores)[n_normal:].sum() - N_ANOMALIES * (N_ANOMALIES + 1) / 2
    return float(rank_sum / (N_ANOMALIES * n_normal))


@pytest.fixture(scope="module", params=sorted(DETECTORS))
def fitted(request: pytest.FixtureRequest) -> Detector:
    return make_fitted(request.param)


@pytest.fixture(scope="module")
def rows(fitted: Detector) -> npt.NDArray[np.float32]:
    return make_rows(fitted.name)


def with_nan(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flat[-1] = np.nan
    return array


DAMAGES: dict[str, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
    "missing": lambda array: array,
    "one axis more": lambda array: array[None],
    "one entry fewer": lambda array: array[:-1],
    "NaN": with_nan,
    "other type": lambda array: array.astype(np.complex64),
}
FREE_LENGTH = {("knn", "rows"), ("kde", "rows")}
"""Arrays of which one entry fewer is another valid detector."""


class TestDetectorContract:
    def test_is_registered_under_its_own_name(self, fitted: Detector) -> None:
        assert DETECTORS[fitted.name] is type(fitted)

    def test_score_types_are_named_once_and_explained(self, fitted: Detector) -> None:
        names = [score_type.name for score_type in fitted.score_types]
        assert names
        assert len(set(names)) == len(names)
        assert all(score_type.meaning for score_type in fitted.score_types)

    def test_has_the_members_asked_for_or_one_when_closed_form(self, fitted: Detector) -> None:
        assert fitted.n_members == (1 if isinstance(fitted, ClosedFormDetector) else 2)
        assert fitted.n_parameters > 0

    @pytest.mark.parametrize("n_rows", [1, 13, N_ROWS])
    def test_scores_every_row_with_every_member(
        self, fitted: Detector, rows: npt.NDArray[np.float32], n_rows: int
    ) -> None:
        scores = fitted.scores(rows[:n_rows])
        assert list(scores) == [score_type.name for score_type in fitted.score_types]
        for values in scores.values():
            assert values.shape == (fitted.n_members, n_rows)
            assert values.dtype == np.float64
            assert np.isfinite(values).all()

    def test_scores_only_the_types_asked_for(self, fitted: Detector, rows: npt.NDArray[np.float32]) -> None:
        last = fitted.score_types[-1].name
        np.testing.assert_array_equal(fitted.scores(rows, [last])[last], fitted.scores(rows)[last])
        assert list(fitted.scores(rows, [last])) == [last]

    def test_planted_anomalies_score_higher(self, fitted: Detector, rows: npt.NDArray[np.float32]) -> None:
        native = fitted.score_types[0].name
        assert rank_auc(fitted.scores(rows)[native].mean(axis=0)) > 0.9

    def test_permuting_rows_permutes_scores(self, fitted: Detector, rows: npt.NDArray[np.float32]) -> None:
        order = np.random.default_rng(0).permutation(N_ROWS)
        straight, permuted = fitted.scores(rows), fitted.scores(rows[order])
        for name, values in straight.items():
            assert_close(permuted[name], values[:, order])

    def test_rows_score_alone_as_together(self, fitted: Detector, rows: npt.NDArray[np.float32]) -> None:
        together = fitted.scores(rows[::9])
        alone = [fitted.scores(row[None, :]) for row in rows[::9]]
        for name, values in together.items():
            assert_close(np.concatenate([scores[name] for scores in alone], axis=1), values)

    def test_scoring_changes_neither_detector_nor_rows(self, fitted: Detector) -> None:
        rows = make_rows(fitted.name)
        arrays = {name: array.copy() for name, array in fitted.arrays().items()}
        first, second = fitted.scores(rows), fitted.scores(rows)
        np.testing.assert_array_equal(rows, make_rows(fitted.name))
        for name, array in fitted.arrays().items():
            np.testing.assert_array_equal(array, arrays[name])
        for name, values in first.items():
            np.testing.assert_array_equal(second[name], values)

    def test_scores_are_bit_equal_after_a_round_trip(
        self, fitted: Detector, rows: npt.NDArray[np.float32]
    ) -> None:
        restored = build(fitted.name, fitted.n_members)
        restored.load_arrays(safetensors.numpy.load(safetensors.numpy.save(dict(fitted.arrays()))))
        for name, values in fitted.scores(rows).items():
            np.testing.assert_array_equal(restored.scores(rows)[name], values)
        assert restored.n_parameters == fitted.n_parameters

    def test_its_size_is_known_without_memory(self, fitted: Detector) -> None:
        """An artifact's params are checked like this before anything is allocated for them."""
        with torch.device("meta"):
            restored = build(fitted.name, fitted.n_members)
        if isinstance(restored, DeepDetector):
            restored.adopt_sizes(fitted.arrays())
            assert restored.n_parameters == fitted.n_parameters

    def test_same_seed_gives_the_same_scores(self, fitted: Detector, rows: npt.NDArray[np.float32]) -> None:
        again = make_fitted(fitted.name).scores(rows)
        for name, values in fitted.scores(rows).items():
            np.testing.assert_array_equal(again[name], values)

    @pytest.mark.parametrize("damage", sorted(DAMAGES))
    def test_damaged_arrays_are_refused(self, fitted: Detector, damage: str) -> None:
        for name, array in fitted.arrays().items():
            if damage == "NaN" and not np.issubdtype(array.dtype, np.floating):
                continue
            if damage == "one entry fewer" and (fitted.name, name) in FREE_LENGTH:
                continue
            damaged = {**fitted.arrays(), name: DAMAGES[damage](array.copy())}
            if damage == "missing":
                del damaged[name]
            # two arrays that disagree may be blamed on either
            with pytest.raises(ArtifactError, match="|".join(map(re.escape, fitted.arrays()))):
                build(fitted.name, fitted.n_members).load_arrays(damaged)


def assert_close(actual: npt.NDArray[np.float64], expected: npt.NDArray[np.float64]) -> None:
    """Equal to 1e-5 of the value, or of the spread of the scores where a score is near zero."""
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-6 * max(float(np.ptp(expected)), 1e-6))
