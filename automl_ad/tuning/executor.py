"""What runs trials: the seam between a proposer of configs, a trial function and the study folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from automl_ad.results import TrialConfig, TrialResult
from automl_ad.study import TrialStore
from automl_ad.tuning.halving import AsyncHalving

if TYPE_CHECKING:
    from automl_ad.trial import Report, TrialData

OnResult = Callable[[TrialResult], None]
"""Called in the driver after each trial, with the result as it was read back: without weights."""


class TrialFn(Protocol):
    """`automl_ad.trial.run_trial`, or anything like it. An exception is a bug and stops the study."""

    def __call__(
        self,
        config: TrialConfig,
        data: TrialData,
        *,
        number: int,
        seed: int,
        n_members: int,
        report: Report,
        device: str,
    ) -> TrialResult:
        """The outcome of one trial, however it ended."""


class Proposer(Protocol):
    """Says what to run next, and learns from what came out."""

    def ask(self) -> tuple[int, TrialConfig] | None:
        """A trial number and its config; None when everything asked for has been proposed."""

    def tell(self, result: TrialResult) -> None:
        """Take note of a trial whose result is safe in the study folder."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrialJob:
    """What all trials of a run share. The seed of a trial is `seed` + its number."""

    data: TrialData
    store: TrialStore
    seed: int
    n_members: int
    halving: AsyncHalving | None = None
    """Compares running trials and stops the weaker half; None lets all train to their end."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The time until which trials may be begun, and after which running ones are asked to stop."""

    deadline: float | None = None
    """In seconds of `time.monotonic`; None means no limit."""

    @classmethod
    def lasting(cls, seconds: float | None) -> Self:
        """A budget that begins now."""
        return cls(None if seconds is None else time.monotonic() + seconds)

    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.deadline is not None and time.monotonic() >= self.deadline


class Executor(Protocol):
    """Runs proposed trials until the proposer has no more, the budget is over, or `stop` is set.

    Every result is in the study folder before the proposer hears of it. Results come in any order.
    """

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
        """Run trials. What a trial function raises is raised here."""
