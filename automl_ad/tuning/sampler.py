"""Proposes the trials of a search: published defaults, then samples, spread over the detectors by quota.

Everything follows from the study's trials, its seed and the next trial number: resuming needs no state.
One categorical over detectors collapses (103 of 200 trials on one of 20), hence the quota.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from optuna.trial import TrialState

from automl_ad.config import SearchConfig
from automl_ad.results import Origin, TrialConfig, TrialResult, Value
from automl_ad.space import DetectorSpace, SearchSpace
from automl_ad.study import IndexedTrial, Study
from automl_ad.tuning.tpe import tpe_draw

SEARCHED: tuple[Origin, ...] = ("default", "sampled", "random")
SAMPLES: tuple[Origin, ...] = ("sampled", "random")

N_STARTUP = 5
"""Completed trials of a detector before TPE models it. Optuna's default is 10, more than a detector gets
in a default study of 40 trials over 11 detectors."""

N_DRAWS = 20
"""Random draws before a detector's space counts as exhausted; the smallest has a dozen configs."""

Describe = Callable[[TrialResult], Mapping[str, Value]]


def describe_nothing(result: TrialResult) -> Mapping[str, Value]:
    """No attributes beyond what the study writes by itself."""
    del result
    return {}


class Sampler:
    """The proposer of a search. `describe` gives further attributes of a result, such as its veto."""

    def __init__(
        self, study: Study, space: SearchSpace, config: SearchConfig, describe: Describe = describe_nothing
    ) -> None:
        self._study = study
        self._space = space
        self._config = config
        self._describe = describe

    def ask(self) -> tuple[int, TrialConfig] | None:
        """The next trial; None when `max_trials` have been proposed or every config has been tried."""
        if claimed := self._study.index.claim(SEARCHED):
            return claimed
        trials = self._study.trials()
        if sum(trial.config.origin in SEARCHED for trial in trials) >= self._config.max_trials:
            return None
        config = self._untried_default(trials) or self._sample(trials)
        return None if config is None else (self._study.index.begin(config), config)

    def tell(self, result: TrialResult) -> None:
        """Enter the result into the study."""
        self._study.tell(result, self._describe(result))

    def _untried_default(self, trials: Sequence[IndexedTrial]) -> TrialConfig | None:
        tried = [trial.config for trial in trials]
        return next((config for config in self._space.published_defaults() if config not in tried), None)

    def _sample(self, trials: Sequence[IndexedTrial]) -> TrialConfig | None:
        """A config of the detector that is furthest behind its quota and not yet exhausted."""
        for detector in by_need(self._space, trials):
            own = [trial for trial in trials if trial.config.detector == detector]
            config = self._sample_detector(self._space.detectors[detector], own)
            if config is not None:
                return config
        return None

    def _sample_detector(self, space: DetectorSpace, own: Sequence[IndexedTrial]) -> TrialConfig | None:
        """A new config of one detector, from TPE or at random; None when random draws find nothing new."""
        tried = [trial.config.params for trial in own]
        number = self._study.index.n_trials
        if not self._is_random_turn(own):
            history = [trial.frozen for trial in own if _is_informative(trial) or trial.is_running]
            params = tpe_draw(space, history, seed=self._config.seed + number)
            if params not in tried:
                return TrialConfig(detector=space.detector, params=params, origin="sampled")
        rng = np.random.default_rng((self._config.seed, number))
        draws = (space.sample(rng) for _ in range(N_DRAWS))
        params_or_none = next((params for params in draws if params not in tried), None)
        if params_or_none is None:
            return None
        return TrialConfig(detector=space.detector, params=params_or_none, origin="random")

    def _is_random_turn(self, own: Sequence[IndexedTrial]) -> bool:
        """Whether the detector's next sample belongs to the control arm, or TPE has too little to model."""
        if sum(_is_informative(trial) for trial in own) < N_STARTUP:
            return True
        n_samples = sum(trial.config.origin in SAMPLES for trial in own)
        return is_control(n_samples, self._config.random_share)


def is_control(position: int, share: float) -> bool:
    """Whether the sample at this position (from 0) is random, so that every beginning has at least the share.

    >>> [is_control(i, 0.25) for i in range(9)]
    [True, False, False, False, True, False, False, False, True]
    """
    return math.ceil((position + 1) * share) > math.ceil(position * share)


def by_need(space: SearchSpace, trials: Sequence[IndexedTrial]) -> list[str]:
    """The detectors, first the one whose share is smallest against its weight, the number of its parameters.

    That is D'Hondt's rule: shares never drift further than one trial from the weights.
    """

    def load(detector: str) -> float:
        n_trials = sum(t.config.detector == detector and t.config.origin in SEARCHED for t in trials)
        return (n_trials + 1) / len(space.detectors[detector].parameters)

    return sorted(space.detectors, key=load)


def _is_informative(trial: IndexedTrial) -> bool:
    """Whether TPE may learn from it; stopped trials saw fewer epochs, baselines may leave the space."""
    return trial.frozen.state == TrialState.COMPLETE and trial.config.origin in SEARCHED
