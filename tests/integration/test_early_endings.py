"""Searches whose trials may end early, from the setting to the study folder."""

import pyarrow.parquet as pq
import pytest

from automl_ad.config import DataConfig, ExecutorConfig, SearchConfig
from automl_ad.results import TrialResult
from automl_ad.searching import SearchOutcome, search
from automl_ad.training import checkpoint_epochs


@pytest.fixture
def run(tmp_path, blob_columns):
    def run(**settings: object) -> SearchOutcome:
        path = tmp_path / "table.parquet"
        pq.write_table(blob_columns(n_rows=200, n_columns=4, seed=0), path)
        config = SearchConfig(
            preset="fast", detectors=("autoencoder",), max_trials=6, n_members=2, **settings
        )
        outcome = search(
            DataConfig(sources=(str(path),)), config, ExecutorConfig(name="local"), output=tmp_path / "study"
        )
        assert isinstance(outcome, SearchOutcome)
        return outcome

    return run


def deep(outcome: SearchOutcome) -> list[TrialResult]:
    return [result for result in outcome.results if result.losses is not None]


def test_halving_stops_some_trials_at_a_rung_and_keeps_their_candidates(run):
    outcome = run(scheduler="asha")
    stopped = [result for result in deep(outcome) if result.state == "stopped"]
    assert 0 < len(stopped) < len(deep(outcome)) == 6
    for result in stopped:
        assert result.candidates
        assert result.kept_checkpoints
    assert {result.state for result in outcome.results if result.losses is None} == {"completed"}
    ranked = {row.key.trial for row in outcome.selection.ranking}
    assert ranked >= {result.trial for result in stopped}


def test_a_stable_order_completes_a_trial_and_says_why(run):
    outcome = run(early_stopping="stability")
    assert {result.state for result in deep(outcome)} == {"completed"}
    early = [result for result in deep(outcome) if result.reason]
    assert early
    assert all(result.reason.startswith("early stopping: ") for result in early)


def test_the_epoch_of_least_entropy_is_a_candidate_of_each_trial_whose_weights_are_kept(run):
    outcome = run(early_stopping="entropy")
    for result in deep(outcome):
        assert result.state == "completed"
        (at_minimum,) = entropy_minima(result) or [max(result.kept_checkpoints)]
        assert at_minimum in result.kept_checkpoints
    assert any(entropy_minima(result) for result in deep(outcome))


def entropy_minima(result: TrialResult) -> list[int]:
    """The checkpoints that no schedule asked for."""
    epochs = {candidate.key.checkpoint for candidate in result.candidates}
    n_planned = int(result.config.params["n_epochs"])
    return sorted(epochs - {*checkpoint_epochs(n_planned)})


def test_by_default_every_trial_trains_to_its_end(run):
    assert {(result.state, result.reason) for result in deep(run())} == {("completed", "")}
