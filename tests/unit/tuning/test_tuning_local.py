"""The local executor: results are safe before anyone hears of them; budget, stop and bugs end it properly."""

import threading
import time

import pytest

from automl_ad.tuning import AsyncHalving, Budget, LocalExecutor, Sampler, TrialJob


@pytest.fixture
def search(study, space, config):
    def search(trial_fn, *, budget=None, stop=None, on_result=None, halving=None):
        seen = []
        LocalExecutor().run(
            trial_fn,
            TrialJob(data="the data", store=study.store, seed=5, n_members=4, halving=halving),
            Sampler(study, space, config),
            budget=budget or Budget(),
            stop=stop or threading.Event(),
            on_result=on_result or seen.append,
        )
        return seen

    return search


@pytest.fixture
def quick(make_result):
    def trial_fn(config, data, *, number, seed, n_members, report, device):
        assert (data, seed, n_members, device) == ("the data", 5 + number, 4, "cpu")
        return make_result(number, config)

    return trial_fn


def test_runs_every_trial_and_keeps_results(search, study, config, quick):
    seen = search(quick)
    assert [result.trial for result in seen] == study.store.numbers()
    assert len(seen) == config.max_trials
    assert all(not result.weights and result.kept_checkpoints == (1,) for result in seen)
    assert not any(trial.is_unfinished for trial in study.index.trials())


def test_result_is_safe_before_it_is_announced(search, study, quick):
    def on_result(result):
        assert study.store.has(result.trial)
        assert not study.index.trials()[-1].is_unfinished

    search(quick, on_result=on_result)


def test_stop_ends_the_running_trial_and_begins_no_other(search, make_result):
    stop = threading.Event()

    def trial_fn(config, data, *, number, report, **_):
        if number == 2:
            stop.set()
        state = "stopped" if report(1, 0.1) else "completed"
        return make_result(number, config, state=state)

    seen = search(trial_fn, stop=stop)
    assert [result.state for result in seen] == ["completed", "completed", "stopped"]


def test_budget_ends_the_running_trial_and_begins_no_other(search, make_result):
    def trial_fn(config, data, *, number, report, **_):
        while not report(1, None):
            time.sleep(0.01)
        return make_result(number, config, state="stopped")

    started = time.monotonic()
    seen = search(trial_fn, budget=Budget.lasting(0.2))
    assert [result.state for result in seen] == ["stopped"]
    assert time.monotonic() - started < 2


def test_no_budget_means_no_limit():
    assert not Budget.lasting(None).is_over()
    assert Budget.lasting(0).is_over()


def test_bug_in_a_trial_stops_the_study(search, study, quick):
    def trial_fn(config, data, *, number, **rest):
        if number == 3:
            raise ZeroDivisionError("our bug")
        return quick(config, data, number=number, **rest)

    with pytest.raises(ZeroDivisionError, match="our bug"):
        search(trial_fn)
    assert study.store.numbers() == [0, 1, 2]


def test_trials_behind_others_of_their_detector_are_stopped_and_not_complete(search, study, make_result):
    best: dict[str, int] = {}

    def trial_fn(config, data, *, number, report, **_):
        is_behind = report(0.4, -number)  # each is worse than all before
        assert is_behind == (config.detector in best)
        best.setdefault(config.detector, number)
        return make_result(number, config, state="stopped" if is_behind else "completed")

    seen = search(trial_fn, halving=AsyncHalving())
    states = {trial.number: trial.frozen.state.name for trial in study.trials()}
    assert {number for number, state in states.items() if state == "COMPLETE"} == set(best.values())
    assert set(states.values()) == {"COMPLETE", "PRUNED"}
    assert all(result.candidates for result in seen)
