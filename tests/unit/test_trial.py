"""A trial reports candidates of every checkpoint and score type, and keeps the best weights."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from automl_ad.data import Preprocessor
from automl_ad.detectors import DETECTORS, member_mean
from automl_ad.results import TrialConfig, TrialResult, Value
from automl_ad.trial import N_BEST_KEPT, TrialData, run_trial


@pytest.fixture(scope="module")
def data(blob_columns) -> TrialData:
    columns = blob_columns(n_rows=120, n_columns=4, seed=0)
    preprocessor = Preprocessor.fit(columns)
    encoded_ND = preprocessor.encode(columns)
    anchors = {
        "knn": np.linalg.norm(encoded_ND, axis=1),
        "isolation_forest": np.abs(encoded_ND).max(axis=1),
    }
    return TrialData(
        rows_ND=encoded_ND,
        panel_ND=encoded_ND[:60],
        scalers=preprocessor.scalers,
        anchors={name: scores[:60] for name, scores in anchors.items()},
    )


def run(data: TrialData, detector: str, params: Mapping[str, Value], stop_at: float = 2.0) -> TrialResult:
    torch.set_num_threads(1)
    config = TrialConfig(detector=detector, params={"prep": "zscore", **params}, origin="random")
    return run_trial(config, data, number=7, seed=3, n_members=3, report=lambda share, _: share >= stop_at)


def test_every_score_type_of_every_checkpoint_is_a_candidate(data: TrialData):
    result = run(data, "autoencoder", {"n_epochs": 20})
    types = {score_type.name for score_type in DETECTORS["autoencoder"].score_types}
    found = {(c.key.score_type, c.key.checkpoint) for c in result.candidates}
    assert found == {(name, epoch) for name in types for epoch in (5, 10, 20)}
    assert result.state == "completed"
    assert all(c.panel_scores.shape == (60,) and c.objective is not None for c in result.candidates)
    assert all(c.member_agreement is not None for c in result.candidates)


def test_the_last_and_the_best_checkpoints_are_kept(data: TrialData):
    result = run(data, "autoencoder", {"n_epochs": 50})
    judged = sorted(result.candidates, key=lambda c: c.objective or 0.0, reverse=True)
    best = list(dict.fromkeys(c.key.checkpoint for c in judged))[:N_BEST_KEPT]
    assert set(result.weights) == {*best, 50}


def test_kept_weights_score_the_panel_as_judged(data: TrialData):
    result = run(data, "autoencoder", {"n_epochs": 10})
    for epoch, arrays in result.weights.items():
        detector = DETECTORS["autoencoder"].build(
            result.config.params, n_features=result.n_features, n_members=result.n_members, seed=0
        )
        detector.load_arrays(arrays)
        scores = detector.scores(data.scalers["zscore"](data.panel_ND))
        for candidate in result.candidates:
            if candidate.key.checkpoint == epoch:
                again = member_mean(scores[candidate.key.score_type])
                np.testing.assert_array_equal(again, candidate.panel_scores)


def test_a_trial_asked_to_stop_keeps_what_it_has(data: TrialData):
    result = run(data, "autoencoder", {"n_epochs": 50}, stop_at=0.2)
    assert (result.state, result.reason) == ("stopped", "stopped after epoch 10 of 50")
    assert {c.key.checkpoint for c in result.candidates} == {5, 10}
    assert 10 in result.weights


def test_a_costly_detector_trains_fewer_members_on_a_cpu(data: TrialData):
    assert run(data, "ocgan", {"n_epochs": 2}).n_members == 1
    assert run(data, "autoencoder", {"n_epochs": 2}).n_members == 3


def test_what_has_no_arrays_is_judged_and_not_kept(data: TrialData):
    pytest.importorskip("pyod", reason="the extra [pyod] is not installed")
    result = run(data, "pyod:hbos", {})
    assert (result.state, result.weights) == ("completed", {})
    assert result.candidates[0].objective is not None


def test_a_config_that_cannot_work_is_a_failed_trial(data: TrialData):
    result = run(data, "ocsvm", {"nu": 1.0})
    assert result.state == "failed"
    assert "nu" in result.reason
    assert result.candidates == ()


def test_the_same_seed_gives_the_same_scores(data: TrialData):
    first, second = (run(data, "dasvdd", {"n_epochs": 5}) for _ in range(2))
    for one, other in zip(first.candidates, second.candidates, strict=True):
        np.testing.assert_array_equal(one.panel_scores, other.panel_scores)


def test_a_candidate_is_not_judged_by_its_own_anchor(data: TrialData):
    only_knn = replace(data, anchors={"knn": data.anchors["knn"]})
    result = run(only_knn, "knn", {"n_neighbors": 5})
    assert result.candidates[0].objective is None


def test_probes_take_the_place_of_anchors(data: TrialData):
    far = replace(data, probes={"far": data.panel_ND + 100.0}, objective="probe_auc", anchors={})
    result = run(far, "knn", {"n_neighbors": 5})
    assert result.candidates[0].objective == pytest.approx(1.0)


@pytest.mark.parametrize("shortage", [MemoryError("8 GB"), torch.OutOfMemoryError("CUDA out of memory")])
def test_memory_that_runs_out_is_a_failed_trial(data: TrialData, monkeypatch, shortage: Exception):
    def too_large(self: object, x_ND: object, *, seed: int) -> None:
        raise shortage

    monkeypatch.setattr(DETECTORS["pca"], "fit", too_large)
    result = run(data, "pca", {})
    assert result.state == "failed"
    assert "out of memory" in result.reason


def test_hindsight_rows_are_scored_and_change_nothing(data: TrialData):
    plain = run(data, "dasvdd", {"n_epochs": 5})
    watched = run(replace(data, hindsight_HD=data.panel_ND[:7]), "dasvdd", {"n_epochs": 5})
    for one, other in zip(plain.candidates, watched.candidates, strict=True):
        assert one.hindsight_scores is None
        np.testing.assert_allclose(other.hindsight_scores, other.panel_scores[:7], rtol=1e-5)
        np.testing.assert_array_equal(one.panel_scores, other.panel_scores)
        assert one.objective == other.objective


def test_members_are_kept_one_by_one_when_asked_for(data: TrialData):
    asked = replace(data, keeps_members=True, probes={"far": data.panel_ND + 9.0})
    for candidate in run(asked, "dasvdd", {"n_epochs": 5}).candidates:
        assert set(candidate.member_scores) == {"panel", "probe/far"}
        members_SN = candidate.member_scores["panel"]
        assert len(members_SN) > 1
        np.testing.assert_allclose(members_SN.mean(axis=0), candidate.panel_scores, rtol=1e-5)


def test_two_halves_tell_how_stable_a_classical_detector_is(data: TrialData):
    steady = run(data, "knn", {"n_neighbors": 20}).candidates[0].diagnostics["subsample_stability"]
    shaky = run(data, "isolation_forest", {"n_trees": 1}).candidates[0].diagnostics["subsample_stability"]
    assert shaky < steady <= 1
    assert "subsample_stability" not in run(data, "dasvdd", {"n_epochs": 5}).candidates[0].diagnostics
