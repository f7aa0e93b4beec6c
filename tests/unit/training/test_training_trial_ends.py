"""How a trial ends by a rule of its own, and what a scheduler hears of it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from automl_ad.config import SearchConfig
from automl_ad.data import Preprocessor
from automl_ad.errors import ConfigError
from automl_ad.results import TrialConfig, TrialResult
from automl_ad.trial import TrialData, run_trial


@pytest.fixture(scope="module")
def data(blob_columns) -> TrialData:
    columns = blob_columns(n_rows=512, n_columns=4, seed=0)
    preprocessor = Preprocessor.fit(columns)
    encoded_ND = preprocessor.encode(columns)
    return TrialData(
        rows_ND=encoded_ND,
        panel_ND=encoded_ND[:100],
        scalers=preprocessor.scalers,
        anchors={"knn": np.linalg.norm(encoded_ND[:100], axis=1)},
    )


def run(data: TrialData, detector: str = "autoencoder", report=lambda *_: False, **params) -> TrialResult:
    torch.set_num_threads(1)
    config = TrialConfig(detector=detector, params={"prep": "zscore", **params}, origin="random")
    return run_trial(config, data, number=0, seed=3, n_members=2, report=report)


def checkpoints(result: TrialResult) -> list[int]:
    return list(dict.fromkeys(candidate.key.checkpoint for candidate in result.candidates))


def test_a_stable_order_completes_a_trial_early(data):
    slow = {"n_epochs": 100, "learning_rate": 1e-6}  # it moves, but the order does not
    result = run(replace(data, early_stopping="stability"), **slow)
    assert (result.state, checkpoints(result)) == ("completed", [5, 10, 20])
    assert result.reason == "early stopping: the order of the panel was stable over 2 checkpoints"
    assert checkpoints(run(data, **slow)) == [5, 10, 20, 50, 100]


def test_an_order_that_changes_does_not(data):
    result = run(replace(data, early_stopping="stability"), n_epochs=20, learning_rate=1e-2)
    assert (result.state, result.reason, checkpoints(result)) == ("completed", "", [5, 10, 20])


def test_the_epoch_of_least_entropy_is_a_candidate_whose_weights_are_kept(data):
    contaminated = replace(data, early_stopping="entropy")
    result = run(contaminated, n_epochs=100, learning_rate=1e-2, batch_size=32)
    assert result.losses is not None
    assert result.state == "completed"
    n_trained = result.losses.shape[1]
    marks = {epoch for epoch in (5, 10, 20, 50, 100) if epoch <= n_trained}
    assert "no lower loss entropy" in result.reason
    assert n_trained < 100
    best = set(checkpoints(result)) - marks
    assert checkpoints(result) == sorted(checkpoints(result))
    assert best == {n_trained - 7}  # 100 steps are 7 epochs of 16 batches
    assert best <= result.weights.keys()


def test_closed_form_trials_have_nothing_to_end(data):
    for rule in ("entropy", "stability"):
        result = run(replace(data, early_stopping=rule), "gmm")
        assert (result.state, result.reason, checkpoints(result)) == ("completed", "", [0])


def test_a_scheduler_hears_shares_and_finds_its_rungs_among_the_checkpoints(data):
    heard: list[float] = []

    def report(share: float, _: float | None) -> bool:
        heard.append(share)
        return share >= 1 / 3

    result = run(replace(data, rungs=(1 / 3, 2 / 3)), report=report, n_epochs=50)
    assert heard == [0.1, 0.2, 17 / 50]
    assert (result.state, result.reason) == ("stopped", "stopped after epoch 17 of 50")
    heard.clear()
    run(data, "gmm", report=report)
    assert heard == [1.0]


def test_loss_entropy_is_refused_for_clean_data():
    with pytest.raises(ConfigError, match="contaminated data only"):
        SearchConfig(early_stopping="entropy", training_data="clean")
    SearchConfig(early_stopping="stability", training_data="clean")


@pytest.mark.parametrize("settings", [{"early_stopping": "loss"}, {"scheduler": "median"}])
def test_unknown_rules_are_refused(settings):
    with pytest.raises(ConfigError, match="must be none"):
        SearchConfig(**settings)
