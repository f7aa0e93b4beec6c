"""Proposes the baseline rows of a study, each once: cheap, outside the budget of trials, in every table."""

from __future__ import annotations

from automl_ad.results import TrialConfig, TrialResult
from automl_ad.space import SearchSpace
from automl_ad.study import Study


class Baselines:
    """The baselines of the search space that the study does not have yet."""

    def __init__(self, study: Study, space: SearchSpace) -> None:
        self._study = study
        self._space = space

    def ask(self) -> tuple[int, TrialConfig] | None:
        """The next baseline; None when the study has them all."""
        if claimed := self._study.index.claim(["baseline"]):
            return claimed
        done = [trial.config for trial in self._study.trials()]
        for config in self._space.baselines:
            if config not in done:
                return self._study.index.begin(config), config
        return None

    def tell(self, result: TrialResult) -> None:
        """Enter the result into the study."""
        self._study.tell(result)
