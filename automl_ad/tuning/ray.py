"""Trials on a Ray cluster: Ray Tune places them and restarts what the cluster loses; we propose and record.

Tune's own Optuna searcher leaves trials without objective running for ever and tells stopped ones as
complete, and its snapshots are pickles: neither is used. Resuming is a new Tune run over the same folder.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, cast

import ray
from ray import tune
from ray.actor import ActorHandle
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl_ad.config import ExecutorConfig
from automl_ad.errors import ClusterError
from automl_ad.results import TrialConfig, TrialResult
from automl_ad.study import TrialStore
from automl_ad.tuning.cluster import Slots, connected, environment, fitting_slots
from automl_ad.tuning.executor import Budget, OnResult, Proposer, TrialFn, TrialJob
from automl_ad.tuning.worker import BUG, Recorder, Shipment, TrialWorker

MAX_LOSSES = 3
"""A config whose worker dies more often than this is recorded as failed; it may be what kills them."""

GRACE_S = 3.0
"""After Ctrl-C, how long trials have to reach a checkpoint and be kept."""

TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


class RayExecutor:
    """The executor of a cluster, and of a machine with several cores or GPUs."""

    def __init__(self, config: ExecutorConfig) -> None:
        self._config = config

    def run(
        self,
        trial_fn: TrialFn,
        job: TrialJob,
        proposer: Proposer,
        *,
        budget: Budget,
        stop: threading.Event,
        on_result: OnResult,
    ) -> None:
        """Run trials, see `Executor.run`. Raises ClusterError when the cluster cannot run a trial."""
        with connected(self._config), tempfile.TemporaryDirectory() as scratch:
            slots = fitting_slots(self._config)
            recorder = _recorder_on_this_node(job.store)
            shipment = Shipment(
                trial_fn=trial_fn,
                data=job.data,
                seed=job.seed,
                n_members=job.n_members,
                device="cuda" if slots.gpus else "cpu",
                recorder=recorder,
            )
            search = _Search(job, proposer, budget, stop, on_result, recorder)
            _tune(shipment, slots, search, Path(scratch))
            ray.kill(recorder)
        if search.error is not None:
            raise search.error


def _recorder_on_this_node(store: TrialStore) -> ActorHandle[Any]:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    recorder: ActorHandle[Any] = Recorder.options(scheduling_strategy=here).remote(  # type: ignore[attr-defined]
        TrialStore(store.root.resolve())
    )
    return recorder


def _tune(shipment: Shipment, slots: Slots, search: _Search, scratch: Path) -> None:
    """Let Tune run trials until the search is over."""
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    worker = tune.with_resources(
        tune.with_parameters(TrialWorker, shipment=shipment), {"cpu": slots.cpus, "gpu": slots.gpus}
    )
    tuner = tune.Tuner(
        worker,
        tune_config=tune.TuneConfig(
            search_alg=_Suggestions(search, slots.n_slots),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=str(scratch),
            verbose=0,
            stop=_Stop(search),
            callbacks=[_Losses(search)],
            failure_config=tune.FailureConfig(max_failures=MAX_LOSSES),
            # Unless told, Tune saves every class trainable at its end, and counts a refusal as a failure.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    # By default Tune starts one worker at a time, and each takes seconds to import torch.
    with environment({**TUNE_SETTINGS, "TUNE_MAX_PENDING_TRIALS_PG": str(slots.n_slots)}):
        tuner.fit()


def _trial_name(trial: Trial) -> str:
    return str(trial.trial_id)


class _Search:
    """The state of one run, in the driver. Tune calls it through the adapters below, all in one thread."""

    def __init__(
        self,
        job: TrialJob,
        proposer: Proposer,
        budget: Budget,
        stop: threading.Event,
        on_result: OnResult,
        recorder: ActorHandle[Any],
    ) -> None:
        self._job = job
        self._proposer = proposer
        self._budget = budget
        self._stop = stop
        self._on_result = on_result
        self._recorder = recorder
        self._asked_to_stop_at: float | None = None
        self.error: BaseException | None = None

    @contextmanager
    def error_kept(self) -> Iterator[None]:
        """Keep what is raised inside: it ends the run and is raised after it. Tune would swallow it."""
        try:
            yield
        except BaseException as error:  # noqa: BLE001 -- raised by RayExecutor.run
            self.error = error

    def ask(self) -> tuple[int, TrialConfig] | None:
        """The next trial, None when there shall be no more."""
        if self.error is not None or self._stop.is_set() or self._budget.is_over():
            return None
        return self._proposer.ask()

    def finish(self, number: int, bug: str) -> None:
        """Take note of a trial whose worker came to an end."""
        if bug:
            raise RuntimeError(f"trial {number} raised an exception that is a bug:\n{bug}")
        result = self._job.store.read(number)
        self._proposer.tell(result)
        self._on_result(result)

    def give_up(self, number: int, config: TrialConfig, loss: str) -> None:
        """Record a trial whose workers were lost again and again as failed."""
        if not ray.get(self._recorder.n_workers.remote()):
            raise ClusterError(f"workers must be able to start on the cluster, got {loss}")
        reason = f"its worker was lost {MAX_LOSSES + 1} times: {loss}"
        seed = self._job.seed + number
        self._job.store.write(
            TrialResult(trial=number, config=config, seed=seed, state="failed", reason=reason)
        )
        self.finish(number, bug="")

    def is_over(self) -> bool:
        """Whether running trials shall be dropped now; asks them to stop before. Called every 0.1 s."""
        if self.error is None and not (self._stop.is_set() or self._budget.is_over()):
            return False
        now = time.monotonic()
        if self._asked_to_stop_at is None:
            self._asked_to_stop_at = now
            self._recorder.ask_to_stop.remote()
        # A budget that is over lets running trials come to their next checkpoint, however long that takes.
        is_impatient = self._stop.is_set() and now > self._asked_to_stop_at + GRACE_S
        if self.error is None and not is_impatient:
            return False
        ray.get(self._recorder.kill_workers.remote())
        return True


class _Adapter:
    """What Tune copies and pickles for its snapshots, which nobody reads: the search stays where it is."""

    search: _Search

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Suggestions(_Adapter, Searcher):
    """Hands our trials to Tune, never more than run at once, so that the sampler knows all it can."""

    def __init__(self, search: _Search, n_slots: int) -> None:
        super().__init__()
        self.search = search
        self._n_slots = n_slots
        self._live: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if len(self._live) >= self._n_slots:
            return None
        asked = None
        with self.search.error_kept():
            asked = self.search.ask()
        if asked is None:
            return cast("dict[str, Any]", Searcher.FINISHED)
        number, config = asked
        self._live[trial_id] = number
        return {"number": number, "trial": asdict(config)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        number = self._live.pop(trial_id)
        if result is not None and not error:
            with self.search.error_kept():
                self.search.finish(number, result[BUG])

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: a resumed study asks Optuna again."""


class _Stop(_Adapter, tune.Stopper):
    """Asked by Tune in every round of its loop."""

    def __init__(self, search: _Search) -> None:
        self.search = search

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        del trial_id, result
        return False

    def stop_all(self) -> bool:
        return self.search.is_over()


class _Losses(_Adapter, tune.Callback):
    """Told by Tune when a trial has lost too many workers."""

    def __init__(self, search: _Search) -> None:
        self.search = search

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        del iteration, trials, info
        config = TrialConfig(**trial.config["trial"])
        with self.search.error_kept():
            self.search.give_up(trial.config["number"], config, _last_line(trial.error_file))


def _last_line(path: str | None) -> str:
    lines = Path(path).read_text().strip().splitlines() if path else []
    return lines[-1] if lines else "no message"
