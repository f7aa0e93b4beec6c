"""From a selection to artifacts: the default output and the single best candidate, each exactly as judged."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_ad.artifact import (
    PanelECDF,
    Part,
    Threshold,
    combine,
    majority_threshold,
    threshold_of,
    with_groups,
    write_artifact,
)
from automl_ad.config import SearchConfig
from automl_ad.data import Preprocessor
from automl_ad.reporting import evidence_document
from automl_ad.results import Selection, TrialResult, WeightedPart
from automl_ad.study import StudyFolder

MAX_NAME = 128
N_EVIDENCE_ROWS = 50
"""Rows of the ranking kept in a manifest: enough to see what was close, and all baselines besides."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Exported:
    """Where the artifacts lie, and the default output's scores of the panel."""

    artifact: Path
    best_artifact: Path | None
    panel_scores: npt.NDArray[np.float64]
    """[N]"""


def export(
    selection: Selection,
    results: Sequence[TrialResult],
    study: StudyFolder,
    preprocessor: Preprocessor,
    fingerprint: str,
    config: SearchConfig,
    *,
    panel_groups: Sequence[str | None] | None = None,
) -> Exported:
    """Write `artifact` (the default output) and `artifact-best` into the study folder.

    `panel_groups` [N] names the group of each panel row: groups then get thresholds of their own.
    """
    exporter = _Exporter(
        results, study, preprocessor, fingerprint, config, _evidence(selection), panel_groups
    )
    artifact, panel_scores = exporter.write("artifact", selection.output)
    best_artifact = None
    if selection.best is not None:
        best_artifact, _ = exporter.write("artifact-best", [WeightedPart(key=selection.best, weight=1.0)])
    return Exported(artifact=artifact, best_artifact=best_artifact, panel_scores=panel_scores)


class _Exporter:
    """Writes artifacts of one study."""

    def __init__(
        self,
        results: Sequence[TrialResult],
        study: StudyFolder,
        preprocessor: Preprocessor,
        fingerprint: str,
        config: SearchConfig,
        evidence: Mapping[str, Any],
        panel_groups: Sequence[str | None] | None,
    ) -> None:
        self._results = {result.trial: result for result in results}
        self._study = study
        self._preprocessor = preprocessor
        self._fingerprint = fingerprint
        self._config = config
        self._evidence = evidence
        self._panel_groups = panel_groups

    def write(self, name: str, chosen: Sequence[WeightedPart]) -> tuple[Path, npt.NDArray[np.float64]]:
        """The artifact's folder and its panel scores [N]."""
        parts = [self._part(part) for part in chosen]
        rate = self._config.flagged_share
        vote_rate = rate if self._config.combine == "vote" and len(parts) > 1 else None
        panel_N = combine(
            [(part.weight, PanelECDF.from_scores(part.panel_scores), part.panel_scores) for part in parts],
            vote_rate=vote_rate,
        )
        path = write_artifact(
            self._study.path / name,
            name=model_name(self._study.path) + name.removeprefix("artifact"),
            parts=parts,
            preprocessor=self._preprocessor,
            threshold=self._threshold(panel_N)
            if vote_rate is None
            else majority_threshold(panel_N, n_parts=len(parts), rate=vote_rate),
            vote_rate=vote_rate,
            panel_scores_N=panel_N,
            data_fingerprint=self._fingerprint,
            seed=self._config.seed,
            study=asdict(self._config),
            evidence=self._evidence,
        )
        return path, panel_N

    def _threshold(self, panel_N: npt.NDArray[np.float64]) -> Threshold:
        rate, rule = self._config.flagged_share, self._config.threshold_rule
        threshold, column = threshold_of(panel_N, rate=rate, rule=rule), self._study.record.group_column
        if self._panel_groups is None or column is None:
            return threshold
        return with_groups(threshold, panel_N, self._panel_groups, column=column, rate=rate, rule=rule)

    def _part(self, chosen: WeightedPart) -> Part:
        result = self._results[chosen.key.trial]
        candidate = next(c for c in result.candidates if c.key == chosen.key)
        return Part(
            detector=result.config.detector,
            params=result.config.params,
            n_features=result.n_features,
            n_members=result.n_members,
            score_type=chosen.key.score_type,
            checkpoint=chosen.key.checkpoint,
            trial=result.trial,
            seed=result.seed,
            weight=chosen.weight,
            panel_scores=candidate.panel_scores,
            arrays=self._study.store.weights(result.trial, chosen.key.checkpoint),
        )


def model_name(study: Path) -> str:
    """What clients call the model: the study's name, in the characters that a model name may have.

    >>> model_name(Path("study-März 2026"))
    'study-M-rz-2026'
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", study.resolve().name).lstrip("._-")
    return name[:MAX_NAME] or "model"


def _evidence(selection: Selection) -> dict[str, Any]:
    """Why this output: the verdict, what each criterion says, the baselines, and the head of the ranking."""
    shown = [
        row for i, row in enumerate(selection.ranking) if i < N_EVIDENCE_ROWS or row.origin == "baseline"
    ]
    return {
        "verdict": selection.verdict,
        "is_distinguishable": selection.is_distinguishable,
        "output_kind": selection.output_kind,
        "best": None if selection.best is None else str(selection.best),
        "confidence": dict(selection.confidence),
        **evidence_document(selection),
        "n_ranked": len(selection.ranking),
        "ranking": [{**asdict(row), "key": str(row.key)} for row in shown],
    }
