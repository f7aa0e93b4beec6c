"""Proposes the baseline rows of a study, each once: cheap, outside the budget of trials, in every table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from automl_ad.criteria import anchor_agreement_of
from automl_ad.results import Candidate, TrialConfig, TrialResult
from automl_ad.space import SearchSpace
from automl_ad.study import Study

Anchors = Mapping[str, npt.NDArray[np.float64]]


class Baselines:
    """The baselines of the search space that the study does not have yet.

    They are entered into the index by `settle`, when they are all there: a baseline's objective is its
    agreement with the anchors of other detectors, which are baselines themselves.
    """

    def __init__(self, study: Study, space: SearchSpace) -> None:
        self._study = study
        self._space = space
        self._results: list[TrialResult] = []

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
        """Keep the result until `settle`."""
        self._results.append(result)

    def settle(self, anchors: Anchors) -> None:
        """Enter the results into the study, judged by the anchors where nothing else has judged them."""
        for result in self._results:
            judged = tuple(_judged(candidate, anchors) for candidate in result.candidates)
            self._study.tell(replace(result, candidates=judged))


def _judged(candidate: Candidate, anchors: Anchors) -> Candidate:
    if candidate.objective is not None:
        return candidate
    agreement = anchor_agreement_of(candidate.panel_scores, candidate.detector, anchors)
    return replace(candidate, objective=agreement if math.isfinite(agreement) else None)
