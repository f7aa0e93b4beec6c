"""Trials in this process, one after the other: no server, and the same sequence of configs every time."""

from __future__ import annotations

import threading

from automl_ad.tuning.executor import Budget, OnResult, Proposer, TrialFn, TrialJob


class LocalExecutor:
    """The executor of a laptop, and the one that is reproducible as a whole study."""

    def __init__(self, device: str = "cpu") -> None:
        self._device = device

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
        """Run trials, see `Executor.run`. A trial is asked to stop at its next checkpoint."""

        def should_stop() -> bool:
            return stop.is_set() or budget.is_over()

        while not should_stop() and (asked := proposer.ask()):
            number, config = asked
            result = trial_fn(
                config,
                job.data,
                number=number,
                seed=job.seed + number,
                n_members=job.n_members,
                report=lambda epoch, objective: should_stop(),  # noqa: ARG005
                device=self._device,
            )
            job.store.write(result)
            kept = job.store.read(number)
            proposer.tell(kept)
            on_result(kept)
