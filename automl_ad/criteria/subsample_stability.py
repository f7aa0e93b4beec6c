"""Criterion: whether a detector fitted again, on other rows or from another start, orders the rows the same.

Shapes: K candidates.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.results import Candidate

DIAGNOSTIC = "subsample_stability"


class SubsampleStability:
    """Spearman correlation between fits on different halves of the rows, else mean over pairs of members.

    Closed-form detectors are fitted again on halves and report it as a diagnostic. A deep detector's
    members, the same network from other initialisations, are fits that are there already.
    """

    # NOTE[DIFF] Perini et al. look at how often the same rows are flagged; a correlation needs no threshold.
    # Members share their rows: for deep detectors it is stability against the seed, and comes out higher.

    name: ClassVar[str] = "subsample_stability"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("members",)
    cost: ClassVar[str] = "K; two more fits inside a closed-form trial"
    source: ClassVar[str] = (
        "stability of anomaly detectors, Perini et al. 2020; SELECTION 2, member agreement"
    )
    failure_mode: ClassVar[str] = "a detector that hardly looks at the data is perfectly stable"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN where neither was measured, never 1."""
        return np.array([_stability(c) for c in evidence.candidates], dtype=np.float64)


def _stability(candidate: Candidate) -> float | None:
    return candidate.diagnostics.get(DIAGNOSTIC, candidate.member_agreement)
