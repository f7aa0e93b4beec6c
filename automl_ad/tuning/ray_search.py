"""One search on a cluster, as the driver sees it: what to begin, what to record, when to end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.actor import ActorHandle

from automl_ad.errors import ClusterError
from automl_ad.results import TrialConfig, TrialResult
from automl_ad.tuning.cluster import CapacityWatch
from automl_ad.tuning.executor import Budget, OnResult, Proposer, TrialJob

MAX_LOSSES = 3
"""A config whose worker dies more often than this is recorded as failed; it may be what kills them."""

GRACE_S = 3.0
"""After Ctrl-C, how long trials have to reach a checkpoint and be kept."""


class RaySearch:
    """The state of one run, in the driver. Tune calls it through `tune_adapters`, all in one thread."""

    def __init__(
        self,
        job: TrialJob,
        proposer: Proposer,
        budget: Budget,
        stop: threading.Event,
        on_result: OnResult,
        recorder: ActorHandle[Any],
        capacity: CapacityWatch,
    ) -> None:
        self._job = job
        self._proposer = proposer
        self._budget = budget
        self._stop = stop
        self._on_result = on_result
        self._recorder = recorder
        self._capacity = capacity
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
        with self.error_kept():
            self._capacity.check()
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
