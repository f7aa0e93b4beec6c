"""Asynchronous successive halving: which trials are stopped because others were better at the same point.

It runs where the driver is, one object for all workers, and knows neither Ray nor any detector.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

RUNGS = (1 / 3, 2 / 3)
"""Shares of a trial's planned epochs: trials differ in length. The first is the grace: at 8 % of the training
even the true AUROC correlates .36 to .45 with its final value, at 33 % .66 to .72 (SELECTION 2)."""
REDUCTION_FACTOR = 2


class AsyncHalving:
    """Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning" (ASHA), its stopping variant.

    Values are objectives, higher = better and scale-free, never losses. Trials are compared within a group
    only. Nothing waits: a trial is judged by what its group has reported so far, itself included. Rungs live
    in memory: after `--resume`, trials are compared with those that ran since.
    """

    def __init__(self, rungs: Sequence[float] = RUNGS, reduction_factor: float = REDUCTION_FACTOR) -> None:
        self.rungs = tuple(sorted(rungs))
        self._reduction_factor = reduction_factor
        self._values: dict[tuple[str, float], dict[int, float]] = defaultdict(dict)

    def report(self, trial: int, group: str, share: float, value: float | None) -> bool:
        """Whether the trial shall stop, `share` of its planned epochs done with `value` its best so far.

        A report counts at the highest rung it has reached, once: a late value is never held against the early
        values of others. A trial at its end (closed-form ones are nowhere else) or without value is not
        compared.
        """
        reached = [rung for rung in self.rungs if rung <= share < 1]
        if not reached or value is None:
            return False
        values = self._values[group, reached[-1]]
        if trial in values:
            return False
        values[trial] = value
        n_better = sum(other > value for other in values.values())
        return n_better * self._reduction_factor >= len(values)
