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

        def is_over() -> bool:
            return stop.is_set() or budget.is_over()

        while not is_over() and (asked := proposer.ask()):
            number, config = asked

            def report(
                share: float, objective: float | None, *, trial: int = number, detector: str = config.detector
            ) -> bool:
                is_behind = job.halving is not None and job.halving.report(trial, detector, share, objective)
                return is_over() or is_behind

            result = trial_fn(
                config,
                job.data,
                number=number,
                seed=job.seed + number,
                n_members=job.n_members,
                report=report,
                device=self._device,
            )
            job.store.write(result)
            kept = job.store.read(number)
            proposer.tell(kept)
            on_result(kept)
