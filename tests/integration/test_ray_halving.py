"""Halving on a cluster: the reports of all workers meet in one place, and a stopped trial is not complete."""

import sys
import threading

import numpy as np
import pytest

from automl_ad.config import ExecutorConfig, SearchConfig
from automl_ad.results import Candidate, CandidateKey, TrialResult
from automl_ad.space import load_space
from automl_ad.study import Study
from automl_ad.tuning import AsyncHalving, Budget, Sampler, TrialJob
from automl_ad.tuning.ray import RayExecutor

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]


@pytest.fixture(scope="module", autouse=True)
def shipped_by_value():
    """Workers cannot import this file: its functions travel as code."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


def falling(config, data, *, number, seed, report, **_):
    """Every trial is worse than those with a smaller number."""
    assert not report(0.1, -float(number))  # within the grace
    is_stopped = report(0.5, -float(number))
    candidate = Candidate(
        key=CandidateKey(trial=number, score_type="distance", checkpoint=5),
        detector=config.detector,
        panel_scores=data.astype(np.float32),
        objective=-float(number),
    )
    return TrialResult(
        trial=number,
        config=config,
        seed=seed,
        state="stopped" if is_stopped else "completed",
        candidates=(candidate,),
        weights={5: {"data": data}},
    )


def test_reports_of_all_workers_meet_and_stopped_trials_are_pruned(tmp_path, ray_cluster):
    config = SearchConfig(max_trials=8, scheduler="asha")
    space = load_space("fast", data_kind="tabular", only=("gmm",))
    seen: list[TrialResult] = []
    with Study.create(tmp_path / "study", config, fingerprint="f", space=space) as study:
        RayExecutor(ExecutorConfig(name="ray")).run(
            falling,
            TrialJob(data=np.arange(50.0), store=study.store, seed=0, n_members=1, halving=AsyncHalving()),
            Sampler(study, space, config),
            budget=Budget(),
            stop=threading.Event(),
            on_result=seen.append,
        )
        states = {trial.number: trial.frozen for trial in study.trials()}
    stopped = {result.trial for result in seen if result.state == "stopped"}
    # Two workers: the order of arrival may differ from the numbers by one place or so.
    assert 4 <= len(stopped) <= 7
    assert 0 not in stopped
    assert {number for number, frozen in states.items() if frozen.state.name == "PRUNED"} == stopped
    assert all(states[number].intermediate_values == {5: -float(number)} for number in stopped)
    assert all(result.candidates and result.kept_checkpoints == (5,) for result in seen)
