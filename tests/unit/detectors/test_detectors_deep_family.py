"""How deep detectors meet search spaces, blocks and artifacts; tests/contracts has what they must do."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from automl_ad.detectors import DETECTORS, DeepDetector, deep
from automl_ad.detectors.autoencoding import Autoencoding
from automl_ad.errors import ArtifactError, TrialFailed
from automl_ad.results import Value
from automl_ad.space import load_detector
from automl_ad.training import fit

NAMES = [
    name
    for name, kind in DETECTORS.items()
    if issubclass(kind, DeepDetector) and "tabular" in load_detector(name, data_kind="tabular").data_kinds
]
WITH_CODES = [name for name in NAMES if issubclass(DETECTORS[name], Autoencoding)]
QUICK: dict[str, Value] = {"n_epochs": 3, "pretrain_epochs": 1, "batch_size": 64, "n_query": 5}


def make_rows(n_rows: int = 150, n_features: int = 5) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(n_rows, n_features)).astype(np.float32)


def build(name: str, params: dict[str, Value] | None = None, n_members: int = 3) -> DeepDetector:
    detector = DETECTORS[name].build(
        QUICK if params is None else params, n_features=5, n_members=n_members, seed=2
    )
    assert isinstance(detector, DeepDetector)
    return detector


def make_fitted(name: str, rows: npt.NDArray[np.float32]) -> DeepDetector:
    detector = build(name)
    fit(detector, rows, seed=2, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


@pytest.fixture(scope="module", params=NAMES)
def fitted(request: pytest.FixtureRequest) -> DeepDetector:
    return make_fitted(request.param, make_rows())


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_those_of_the_search_space(name: str):
    plain = build(name, {})
    explicit = build(name, load_detector(name, data_kind="tabular").defaults())
    assert str(plain) == str(explicit)
    for ours, theirs in zip(plain.phases(9), explicit.phases(9), strict=True):
        assert (ours.name, ours.n_epochs, ours.batch_size) == (
            theirs.name,
            theirs.n_epochs,
            theirs.batch_size,
        )
        for step, other in zip(ours.steps, theirs.steps, strict=True):
            assert (step.name, step.optimizer, step.rows) == (other.name, other.optimizer, other.rows)


@pytest.mark.parametrize("name", NAMES)
def test_every_config_of_the_search_space_can_be_scored(name: str):
    space, rng, rows = load_detector(name, data_kind="tabular"), np.random.default_rng(4), make_rows(40)
    for _ in range(6):
        params = space.sample(rng) | {"n_epochs": 2, "pretrain_epochs": 1}
        detector = build(name, params, n_members=2)
        fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
        assert all(np.isfinite(values).all() for values in detector.scores(rows).values())


@pytest.mark.parametrize("name", ["autoencoder", "deep_svdd", "iaead", "dasvdd"])
def test_hidden_layers_can_be_named(name: str):
    detector = build(name, {"hidden": "10-4", "latent_size": 3})
    shapes = [array.shape[1:] for key, array in detector.arrays().items() if key.endswith("weight")]
    assert [shape for shape in shapes if len(shape) == 2][:3] == [(5, 10), (10, 4), (4, 3)]


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"hidden": "10-x"}, "hidden must be layer sizes such as '128-64', got '10-x'"),
        ({"hidden": "0"}, "hidden must be layer sizes"),
        ({"activation": "sigmoid"}, "activation must be one of"),
        ({"norm": "group"}, "norm must be one of none, batch, layer, got 'group'"),
        ({"latent_size": 0}, "latent_size must be an integer of at least 1, got 0"),
        ({"learning_rate": -1.0}, "learning_rate must be a number"),
    ],
)
def test_params_that_cannot_work_fail_the_trial(params: dict[str, Value], rule: str):
    with pytest.raises(TrialFailed, match=rule):
        build("autoencoder", params)


def test_dropping_members_leaves_the_scores_of_the_others():
    rows = make_rows()
    for name in NAMES:
        detector = make_fitted(name, rows)
        before = detector.scores(rows)
        detector.keep_members(torch.tensor([True, False, True]))
        assert detector.n_members == 2
        restored = build(name, n_members=2)
        restored.load_arrays(detector.arrays())
        for score_type, values in detector.scores(rows).items():
            np.testing.assert_allclose(values, before[score_type][[0, 2]], rtol=1e-5)
            np.testing.assert_array_equal(restored.scores(rows)[score_type], values)


def test_blocks_of_rows_score_as_one(fitted: DeepDetector, monkeypatch: pytest.MonkeyPatch):
    rows = make_rows()
    whole = fitted.scores(rows)
    monkeypatch.setattr(deep, "BLOCK_ROWS", 64)
    for name, values in fitted.scores(rows).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-5)


def test_read_only_and_no_rows_can_be_scored(fitted: DeepDetector):
    rows = make_rows()
    rows.flags.writeable = False  # as Ray hands out shared arrays
    assert all(values.shape == (3, 150) for values in fitted.scores(rows).values())
    assert all(values.shape == (3, 0) for values in fitted.scores(rows[:0]).values())


def test_diagnostics_tell_a_training_from_none(fitted: DeepDetector):
    facts = fitted.diagnostics()
    assert facts["weight_change"] > 0
    assert build(fitted.name).diagnostics() == {}
    if fitted.name in WITH_CODES:
        assert facts["latent_variance"] > 0
        assert facts["latent_variance_start"] > 0

    frozen, x_ND = build(fitted.name), torch.tensor(make_rows())
    with torch.no_grad():
        frozen.start(x_ND)
        frozen.finalize(x_ND)
    assert frozen.diagnostics()["weight_change"] == 0
    if fitted.name in WITH_CODES:
        assert frozen.diagnostics()["latent_variance"] == pytest.approx(
            frozen.diagnostics()["latent_variance_start"]
        )


def test_facts_of_the_fit_are_not_kept(fitted: DeepDetector):
    assert not {"start_weights", "latent_variance", "balance_start"} & fitted.arrays().keys()
    n_values = sum(array.size for array in fitted.arrays().values())
    assert fitted.n_parameters == n_values / 3


def test_an_array_too_many_is_refused(fitted: DeepDetector):
    with pytest.raises(ArtifactError, match="stray"):
        build(fitted.name).load_arrays({**fitted.arrays(), "stray": np.zeros(3, np.float32)})
