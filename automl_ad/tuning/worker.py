"""The two kinds of actors of a search on Ray: the recorder beside the study folder, and the workers.

A worker hands its result to the recorder and waits until it is safe on disk. So the cluster needs no shared
file system, and what Tune is told fits in a line.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from typing import Any

import ray
from ray import tune
from ray.actor import ActorHandle
from ray.tune.result import DONE

from automl_ad.results import TrialConfig, TrialResult
from automl_ad.study import TrialStore
from automl_ad.tuning.executor import TrialFn
from automl_ad.tuning.halving import AsyncHalving

BUG = "bug"
"""Metric with the traceback of an exception that no trial should raise; empty when all is well."""


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Recorder:
    """The only writer of results. It runs on the driver's node, where the study folder is.

    It also hears all reports. *Not* Tune's schedulers: a trial is one step of Tune's, and they would tell a
    stopped trial as complete, with the objective of a third of its training (PLATFORM 4.2, 3).
    """

    def __init__(self, store: TrialStore, halving: AsyncHalving | None) -> None:
        self._store = store
        self._halving = halving
        self._workers: list[ActorHandle[Any]] = []
        self._is_stopping = False

    def write(self, result: TrialResult) -> None:
        """Keep the result; when this returns it is on disk."""
        self._store.write(result)

    def has(self, number: int) -> bool:
        """Whether the trial is already kept: its first worker was lost after writing."""
        return self._store.has(number)

    def register(self, worker: ActorHandle[Any]) -> None:
        """Take note of a worker that is ready."""
        self._workers.append(worker)

    def n_workers(self) -> int:
        """How many workers have ever been ready."""
        return len(self._workers)

    def ask_to_stop(self) -> None:
        """From now on trials are asked to stop at their next checkpoint."""
        self._is_stopping = True

    def report(self, trial: int, detector: str, share: float, objective: float | None) -> bool:
        """Whether the trial shall stop: all do, or it is behind the others of its detector."""
        is_behind = self._halving is not None and self._halving.report(trial, detector, share, objective)
        return self._is_stopping or is_behind

    def kill_workers(self) -> None:
        """End the workers in the middle of what they do."""
        for worker in self._workers:
            ray.kill(worker)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Shipment:
    """What every worker needs, put into the object store once; the workers of a node share its arrays."""

    trial_fn: TrialFn
    data: Any
    seed: int
    n_members: int
    device: str
    recorder: ActorHandle[Any]


class TrialWorker(tune.Trainable):
    """Runs one trial per `step`, and is used again for the next: a fresh process would import torch again."""

    def setup(self, config: dict[str, Any], shipment: Shipment) -> None:  # type: ignore[override]
        """Receive the shared part. `config` is read in `step`."""
        del config
        self._shipment = shipment
        shipment.recorder.register.remote(ray.get_runtime_context().current_actor)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial."""
        self.config = new_config
        return True

    def step(self) -> dict[str, Any]:
        """Run the trial until its result is safe."""
        number = self.config["number"]
        recorder = self._shipment.recorder
        if ray.get(recorder.has.remote(number)):
            return {DONE: True, BUG: ""}
        try:
            result = self._run(number)
        except Exception:  # noqa: BLE001 -- raised again by the driver; raised here, Tune would retry a bug
            return {DONE: True, BUG: traceback.format_exc()}
        ray.get(recorder.write.remote(result))
        return {DONE: True, BUG: ""}

    def _run(self, number: int) -> TrialResult:
        shipment = self._shipment
        return shipment.trial_fn(
            TrialConfig(**self.config["trial"]),
            shipment.data,
            number=number,
            seed=shipment.seed + number,
            n_members=shipment.n_members,
            report=self._report,
            device=shipment.device,
        )

    def _report(self, share: float, objective: float | None) -> bool:
        number, detector = self.config["number"], self.config["trial"]["detector"]
        recorder = self._shipment.recorder
        return bool(ray.get(recorder.report.remote(number, detector, share, objective)))
