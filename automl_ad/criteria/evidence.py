"""What criteria judge: the pool of candidates as arrays, with everything ranked once.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.ranks import unit_ranks
from automl_ad.results import Candidate, TrialResult


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Evidence:
    """The pool. Vetoed candidates stay out: every row of `scores_KN` is finite and not constant."""

    candidates: tuple[Candidate, ...]
    results: Mapping[int, TrialResult]
    """By trial number."""
    anchors: Mapping[str, npt.NDArray[np.floating]]
    """Baseline detector -> its panel scores [N]; see `criteria.anchors`."""
    scores_KN: npt.NDArray[np.float32]
    unit_ranks_KN: npt.NDArray[np.float32]
    """See `ranks.unit_ranks`: the dot product of two rows is their Spearman correlation."""
    is_clean: bool = False
    """Whether training data were declared clean; otherwise any panel row may be an anomaly."""

    @classmethod
    def of(
        cls,
        candidates: Sequence[Candidate],
        results: Sequence[TrialResult],
        anchors: Mapping[str, npt.NDArray[np.floating]],
        *,
        is_clean: bool = False,
    ) -> Self:
        """The evidence on one or more candidates that passed the veto."""
        scores_KN = np.stack([c.panel_scores for c in candidates]).astype(np.float32, copy=False)
        return cls(
            candidates=tuple(candidates),
            results={result.trial: result for result in results},
            anchors=anchors,
            scores_KN=scores_KN,
            unit_ranks_KN=unit_ranks(scores_KN),
            is_clean=is_clean,
        )

    def at(self, rows: npt.NDArray[np.int64]) -> Self:
        """The same pool seen on some panel rows, which may repeat: one bootstrap resample."""
        return type(self).of(
            [replace(c, panel_scores=c.panel_scores[rows]) for c in self.candidates],
            list(self.results.values()),
            {name: scores_N[rows] for name, scores_N in self.anchors.items()},
            is_clean=self.is_clean,
        )

    @property
    def detectors(self) -> dict[str, npt.NDArray[np.intp]]:
        """Detector -> positions of its candidates."""
        names = np.array([c.detector for c in self.candidates])
        return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}
