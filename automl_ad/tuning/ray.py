"""Trials on a Ray cluster: Ray Tune places them and restarts what the cluster loses; we propose and record.

Tune's own Optuna searcher leaves trials without objective running for ever and tells stopped ones as
complete, and its snapshots are pickles: neither is used. Resuming is a new Tune run over the same folder.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.actor import ActorHandle
from ray.tune.experiment import Trial
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from automl_ad.config import ExecutorConfig
from automl_ad.study import TrialStore
from automl_ad.tuning.cluster import (
    CapacityWatch,
    Slots,
    check_address,
    connected,
    environment,
    fitting_slots,
)
from automl_ad.tuning.executor import Budget, OnResult, Proposer, TrialFn, TrialJob
from automl_ad.tuning.ray_search import MAX_LOSSES, RaySearch
from automl_ad.tuning.tune_adapters import Losses, Stop, Suggestions
from automl_ad.tuning.worker import Recorder, Shipment, TrialWorker

TUNE_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # no CSV, JSON and TensorBoard files
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
}


class RayExecutor:
    """The executor of a cluster, and of a machine with several cores or GPUs."""

    def __init__(self, config: ExecutorConfig) -> None:
        if config.address is not None:
            check_address(config.address)
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
            recorder = _recorder_on_this_node(job)
            shipment = Shipment(
                trial_fn=trial_fn,
                data=job.data,
                seed=job.seed,
                n_members=job.n_members,
                device="cuda" if slots.gpus else "cpu",
                recorder=recorder,
            )
            search = RaySearch(job, proposer, budget, stop, on_result, recorder, CapacityWatch(self._config))
            _tune(shipment, slots, search, Path(scratch))
            ray.kill(recorder)
        if search.error is not None:
            raise search.error


def _recorder_on_this_node(job: TrialJob) -> ActorHandle[Any]:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    recorder: ActorHandle[Any] = Recorder.options(scheduling_strategy=here).remote(  # type: ignore[attr-defined]
        TrialStore(job.store.root.resolve()), job.halving
    )
    return recorder


def _tune(shipment: Shipment, slots: Slots, search: RaySearch, scratch: Path) -> None:
    """Let Tune run trials until the search is over."""
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    worker = tune.with_resources(
        tune.with_parameters(TrialWorker, shipment=shipment), {"cpu": slots.cpus, "gpu": slots.gpus}
    )
    tuner = tune.Tuner(
        worker,
        tune_config=tune.TuneConfig(
            search_alg=Suggestions(search, slots.n_slots),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=_trial_name,
            trial_dirname_creator=_trial_name,
        ),
        run_config=tune.RunConfig(
            name="search",
            storage_path=str(scratch),
            verbose=0,
            stop=Stop(search),
            callbacks=[Losses(search)],
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
