"""A finished case read back for judgement: its trials, and the labels of the rows that metrics are taken on.

Shapes: K candidates, N judged rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl_ad.artifact import PanelECDF, combine
from automl_ad.config import SearchConfig
from automl_ad.evaluation.bench.searching import STUDY_FOLDER, BenchConfig, case_folder
from automl_ad.evaluation.bench.tables import Case
from automl_ad.evaluation.metrics import auroc, average_precision
from automl_ad.results import Candidate, CandidateKey, Metrics, TrialResult
from automl_ad.study import StudyFolder


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedCase:
    """The trials of one case and the labels to judge them with."""

    case: Case
    config: SearchConfig
    results: tuple[TrialResult, ...]
    """Baselines, and the searched trials in the order of their numbers."""
    labels_N: npt.NDArray[np.bool_]

    @property
    def searched(self) -> list[TrialResult]:
        """The trials with candidates, baselines not counted."""
        return [r for r in self.results if r.config.origin != "baseline" and r.candidates]

    @property
    def baselines(self) -> list[TrialResult]:
        """The baseline rows with candidates."""
        return [r for r in self.results if r.config.origin == "baseline" and r.candidates]

    @cached_property
    def metrics(self) -> dict[CandidateKey, Metrics]:
        """Of every candidate whose scores are all finite."""
        scored = {c.key: judged_scores(c) for result in self.results for c in result.candidates}
        return {
            key: self.measure(scores_N) for key, scores_N in scored.items() if np.isfinite(scores_N).all()
        }

    def measure(self, scores_N: npt.NDArray[np.floating]) -> Metrics:
        """AUROC and AP of one column of scores."""
        return Metrics(
            auroc=auroc(self.labels_N, scores_N), average_precision=average_precision(self.labels_N, scores_N)
        )

    def measure_parts(self, parts: Sequence[Candidate]) -> Metrics:
        """Of the equally weighted ensemble of the parts, combined as an artifact does."""
        return self.measure(
            combine([(1.0, PanelECDF.from_scores(c.panel_scores), judged_scores(c)) for c in parts])
        )

    def first_trials(self, n_trials: int) -> JudgedCase:
        """The case as it was when this many trials had been searched."""
        kept = [r for r in self.results if r.config.origin != "baseline"][:n_trials]
        baselines = [r for r in self.results if r.config.origin == "baseline"]
        return JudgedCase(
            case=self.case, config=self.config, results=(*baselines, *kept), labels_N=self.labels_N
        )


def judged_scores(candidate: Candidate) -> npt.NDArray[np.float32]:
    """[N] of the rows that metrics are taken on: those scored on the side, else the panel."""
    aside = candidate.hindsight_scores
    return candidate.panel_scores if aside is None else aside


def native(result: TrialResult) -> Candidate:
    """The published score after the last epoch: what a trial is worth before anything is chosen in it."""
    last = max(c.key.checkpoint for c in result.candidates)
    return next(c for c in result.candidates if c.key.checkpoint == last)


def read_case(case: Case, config: BenchConfig, output: Path) -> JudgedCase:
    """The case from its finished search, cut to `max_trials`. StudyError when there is none."""
    folder = StudyFolder.read(case_folder(output, case) / STUDY_FOLDER)
    table = config.table(case)
    labels_N = table.judged_labels
    if table.test is None:
        labels_N = labels_N[folder.arrays("panel")["positions"].astype(np.int64)]
    whole = JudgedCase(
        case=case,
        config=config.search_config(case),
        results=tuple(folder.store.read_all()),
        labels_N=labels_N,
    )
    return whole.first_trials(config.max_trials)
