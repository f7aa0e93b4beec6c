"""Criterion: whether other trainings of the same detector, with other settings, order the rows the same way.

Shapes: K candidates, F candidates of one detector, N panel rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence

Float64Array = npt.NDArray[np.float64]

MIN_OTHER_TRIALS = 2
"""The median over one other trial is that trial's opinion."""


class FamilyAgreement:
    """Median Spearman correlation with the candidates of the same detector from other trials.

    The idea of UDR: settings that work find one structure, those that fail each fail in their own way. The
    candidate's own trial stays out, since its checkpoints and score types share one training.
    """

    # NOTE[DIFF] UDR compares latent variables across seeds of one setting; here orders of rows across
    # settings, as in the UOMS study. Seeds of one setting are the members: `member_agreement`.

    name: ClassVar[str] = "family_agreement"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("pool",)
    cost: ClassVar[str] = "K F N"
    source: ClassVar[str] = "UDR, Duan et al. 2020, as used by Ma et al. 2023 (UOMS); SELECTION 2"
    failure_mode: ClassVar[str] = "a detector that fails the same way whatever its settings"

    def __call__(self, evidence: Evidence) -> Float64Array:
        """[K]; NaN with fewer than two other trials of the detector."""
        trials_K = np.array([c.key.trial for c in evidence.candidates])
        values_K = np.full(len(trials_K), np.nan)
        for family in evidence.detectors.values():
            values_K[family] = _medians(evidence.unit_ranks_KN[family], trials_K[family])
        return values_K


def _medians(units_FN: npt.NDArray[np.float32], trials_F: npt.NDArray[np.integer]) -> Float64Array:
    """[F] median correlation with the family's other trials, one trial after the other for its memory."""
    values_F = np.full(len(trials_F), np.nan)
    trials = np.unique(trials_F)
    if len(trials) <= MIN_OTHER_TRIALS:
        return values_F
    for trial in trials:
        is_own_F = trials_F == trial
        correlations = units_FN[is_own_F] @ units_FN.T
        values_F[is_own_F] = np.median(correlations[:, ~is_own_F], axis=1)
    return values_F
