"""The Ray executor: what runs where, what survives a loss, and what ends a run."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from automl_ad.config import ExecutorConfig, SearchConfig
from automl_ad.errors import ClusterError, ConfigError
from automl_ad.results import Candidate, CandidateKey, TrialResult
from automl_ad.space import load_space
from automl_ad.study import Study
from automl_ad.tuning import Budget, Sampler, TrialJob
from automl_ad.tuning.cluster import Slots, check_address, fitting_slots
from automl_ad.tuning.ray import RayExecutor

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

DATA = np.arange(1000.0)


@pytest.fixture(scope="module", autouse=True)
def shipped_by_value():
    """Workers cannot import this file: its functions travel as code."""
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def study(tmp_path):
    config = SearchConfig(max_trials=8)
    space = load_space("fast", data_kind="tabular", only=("knn", "gmm"))
    with Study.create(tmp_path / "study", config, fingerprint="f", space=space) as study:
        study.space = space
        yield study


@pytest.fixture
def search(study, ray_cluster):
    def search(trial_fn, *, data=DATA, budget=None, stop=None, **resources):
        seen = []
        RayExecutor(ExecutorConfig(name="ray", **resources)).run(
            trial_fn,
            TrialJob(data=data, store=study.store, seed=100, n_members=3),
            Sampler(study, study.space, study.record.config),
            budget=budget or Budget(),
            stop=stop or threading.Event(),
            on_result=seen.append,
        )
        return sorted(seen, key=lambda result: result.trial)

    return search


def result_of(config, data, number, seed, **changes):
    candidate = Candidate(
        key=CandidateKey(trial=number, score_type="distance", checkpoint=0),
        detector=config.detector,
        panel_scores=data.astype(np.float32),
        objective=1 / (1 + number),
    )
    fields = {"state": "completed", "candidates": (candidate,), "weights": {0: {"data": data}}}
    return TrialResult(trial=number, config=config, seed=seed, **{**fields, **changes})


def plain(config, data, *, number, seed, n_members, report, device):
    facts = f"{os.getpid()} {n_members} {device} {report(0, None)} {os.environ['OMP_NUM_THREADS']}"
    return result_of(config, data, number, seed, reason=facts)


def numbers(results):
    return [result.trial for result in results]


def test_every_trial_is_kept_then_announced_and_workers_are_used_again(study, search, capfd):
    results = search(plain)
    assert numbers(results) == study.store.numbers() == list(range(8))
    assert [result.seed for result in results] == list(range(100, 108))
    pids, *facts = zip(*(result.reason.split() for result in results), strict=True)
    assert len(set(pids)) <= 2
    assert [set(fact) for fact in facts] == [{"3"}, {"cpu"}, {"False"}, {"1"}]
    np.testing.assert_array_equal(study.store.weights(5, 0)["data"], DATA)
    assert {trial.frozen.state.name for trial in study.index.trials()} == {"COMPLETE"}
    assert capfd.readouterr() == ("", "")


def test_half_a_gpu_is_half_a_gpu(search):
    def placed(config, data, *, number, seed, device, **_):
        import ray

        assigned = ray.get_runtime_context().get_assigned_resources()
        return result_of(config, data, number, seed, reason=f"{assigned['GPU']} {assigned['CPU']} {device}")

    assert {result.reason for result in search(placed, gpus_per_trial=0.5, cpus_per_trial=0.5)} == {
        "0.5 0.5 cuda"
    }


def test_resources_are_lowered_to_the_cluster_and_concurrency_to_the_wish(search):
    def timed(config, data, *, number, seed, **_):
        began = time.time()
        time.sleep(0.1)
        return result_of(config, data, number, seed, reason=f"{began} {time.time()}")

    results = search(timed, cpus_per_trial=0.5, max_concurrent=1)
    spans = sorted(tuple(map(float, result.reason.split())) for result in results)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert fitting_slots(ExecutorConfig(cpus_per_trial=64)) == Slots(cpus=2, gpus=0, n_slots=1)
    assert fitting_slots(ExecutorConfig(gpus_per_trial=3)) == Slots(cpus=1, gpus=1, n_slots=2)


def test_impossible_resources_are_an_error_at_once(search, monkeypatch):
    import ray

    nodes_without_gpus = [{**node, "Resources": {"CPU": 2.0}} for node in ray.nodes()]
    monkeypatch.setattr(ray, "nodes", lambda: nodes_without_gpus)
    started = time.monotonic()
    with pytest.raises(ClusterError, match="0 GPUs together") as caught:
        search(plain, gpus_per_trial=0.5)
    assert caught.value.exit_code == 7
    assert time.monotonic() - started < 10


def test_cluster_that_loses_every_node_ends_the_search(search, monkeypatch):
    import ray

    nodes, calls = ray.nodes(), itertools.count()
    monkeypatch.setattr(ray, "nodes", lambda: nodes if next(calls) == 0 else [])
    monkeypatch.setattr("automl_ad.tuning.cluster.PATIENCE_S", 1.0)
    monkeypatch.setattr("automl_ad.tuning.cluster.LOOK_EVERY_S", 0.5)

    with pytest.raises(ClusterError, match="0 nodes"):
        search(lambda *_, **__: time.sleep(600))


class Unloadable:
    """Data that a worker cannot read, as when a library is missing there."""

    def __reduce__(self):
        return int, ("no number",)


def test_workers_that_cannot_start_are_an_error_of_the_cluster(search, study):
    with pytest.raises(ClusterError, match="no number"):
        search(plain, data=Unloadable())
    assert study.store.numbers() == []


def test_bug_in_a_trial_stops_the_study_with_its_text(study, search):
    def buggy(config, data, *, number, seed, **_):
        if number == 3:
            raise ZeroDivisionError("our own mistake")
        return result_of(config, data, number, seed)

    with pytest.raises(RuntimeError, match=r"(?s)trial 3 .*ZeroDivisionError: our own mistake"):
        search(buggy)
    assert 3 not in study.store.numbers()


def test_error_in_the_driver_stops_the_study(study, search, monkeypatch):
    monkeypatch.setattr(study.store, "read", lambda number: {}[number])
    with pytest.raises(KeyError):
        search(plain)


def test_failed_trials_end_and_lost_ones_run_again_but_not_for_ever(search, study, tmp_path):
    calls = tmp_path / "calls"
    calls.mkdir()

    def unlucky(config, data, *, number, seed, **_):
        n_before = len(list(calls.glob(f"{number}-*")))
        (calls / f"{number}-{n_before}").touch()
        if number == 6 or (number in (2, 5) and n_before == 0):
            os.kill(os.getpid(), signal.SIGKILL)
        changes = {"state": "failed", "candidates": (), "reason": "singular"} if number == 1 else {}
        return result_of(config, data, number, seed, **changes)

    results = search(unlucky)
    assert numbers(results) == study.store.numbers() == list(range(8))
    assert [result.trial for result in results if result.state != "completed"] == [1, 6]
    assert "its worker was lost 4 times" in results[6].reason
    n_calls = [len(list(calls.glob(f"{number}-*"))) for number in range(8)]
    assert n_calls == [1, 1, 2, 1, 1, 2, 4, 1]
    assert [trial.frozen.state.name for trial in study.index.trials()].count("FAIL") == 2


def test_loss_of_a_node_loses_nothing(search, study, ray_cluster, tmp_path):
    node = ray_cluster.add_node(num_cpus=2, object_store_memory=80_000_000)
    begun = tmp_path / "begun"
    begun.mkdir()

    def slow(config, data, *, number, seed, **_):
        import ray

        (begun / f"{number}-{ray.get_runtime_context().get_node_id()}").touch()
        time.sleep(1.5)
        return result_of(config, data, number, seed)

    def kill_node_when_busy():
        while not list(begun.glob(f"*-{node.node_id}")):
            time.sleep(0.05)
        ray_cluster.remove_node(node, allow_graceful=False)

    killer = threading.Thread(target=kill_node_when_busy)
    killer.start()
    results = search(slow)
    killer.join()
    assert numbers(results) == study.store.numbers() == list(range(8))
    assert {result.state for result in results} == {"completed"}
    assert len(list(begun.iterdir())) > 8


def test_budget_stops_running_trials_at_their_next_checkpoint(search):
    def patient(config, data, *, number, seed, report, **_):
        while not report(1, None):
            time.sleep(0.05)
        return result_of(config, data, number, seed, state="stopped")

    results = search(patient, budget=Budget.lasting(1.0))
    assert {result.state for result in results} == {"stopped"}
    assert 1 <= len(results) < 8


def test_ctrl_c_ends_even_trials_that_do_not_listen(search, study, tmp_path):
    stop = threading.Event()
    begun = tmp_path / "begun"

    def deaf(config, data, *, number, seed, **_):
        begun.touch()
        time.sleep(600)

    def press():
        while not begun.exists():
            time.sleep(0.05)
        stop.pressed_at = time.monotonic()
        stop.set()

    threading.Thread(target=press).start()
    assert search(deaf, stop=stop) == []
    assert time.monotonic() - stop.pressed_at < 8
    study.reconcile()
    assert not any(trial.is_running for trial in study.index.trials())


def test_unreachable_cluster_is_an_error_within_seconds():
    started = time.monotonic()
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1") as caught:
        check_address("127.0.0.1:1")
    assert caught.value.exit_code == 7
    assert time.monotonic() - started < 10


def test_ray_client_address_is_refused():
    with pytest.raises(ConfigError, match="HOST:PORT"):
        check_address("ray://head:10001")


PRIVATE = """
import os, signal, sys, threading
from pathlib import Path
import numpy as np
from automl_ad.config import ExecutorConfig, SearchConfig
from automl_ad.results import TrialResult
from automl_ad.space import load_space
from automl_ad.study import Study
from automl_ad.tuning import Budget, Sampler, TrialJob
from automl_ad.tuning.ray import RayExecutor

stop = threading.Event()
died = Path(sys.argv[1] + "-died")
signal.signal(signal.SIGTERM, lambda *_: stop.set())

def fails(config, data, *, number, seed, **_):
    print("worker talks", flush=True)
    print("worker complains", file=sys.stderr, flush=True)
    if not died.exists():
        died.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return TrialResult(trial=number, config=config, seed=seed, state="failed", reason="for fun")

space, config = load_space("fast", data_kind="tabular", only=("knn",)), SearchConfig(max_trials=3)
with Study.create(Path(sys.argv[1]), config, fingerprint="f", space=space) as study:
    RayExecutor(ExecutorConfig(name="ray", max_concurrent=1)).run(
        fails, TrialJob(data=np.zeros(3), store=study.store, seed=0, n_members=1),
        Sampler(study, space, config),
        budget=Budget(), stop=stop, on_result=lambda result: signal.raise_signal(signal.SIGTERM),
    )
    assert study.store.numbers() == [0], study.store.numbers()
"""


def test_private_cluster_is_silent_keeps_our_signals_and_leaves_no_token(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path)}
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        [sys.executable, "-c", PRIVATE, str(tmp_path / "study")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study", "study-died"]
