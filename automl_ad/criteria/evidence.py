"""What criteria judge: the pool of candidates as arrays, with everything ranked once.

Shapes: K candidates, N panel rows, A anchors, M rows drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.ranks import as_units, mean_ranks
from automl_ad.criteria.resampled_ranks import resampled_ranks
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
    ranks_KN: npt.NDArray[np.float32]
    """See `ranks.mean_ranks`."""
    unit_ranks_KN: npt.NDArray[np.float32]
    """See `ranks.unit_ranks`: the dot product of two rows is their Spearman correlation."""
    anchor_ranks_AN: npt.NDArray[np.float32]
    """`ranks.mean_ranks` of the anchors, in their order."""

    @classmethod
    def of(
        cls,
        candidates: Sequence[Candidate],
        results: Sequence[TrialResult],
        anchors: Mapping[str, npt.NDArray[np.floating]],
    ) -> Self:
        """The evidence on one or more candidates that passed the veto."""
        scores_KN = np.stack([c.panel_scores for c in candidates]).astype(np.float32, copy=False)
        ranks_KN = mean_ranks(scores_KN)
        return cls(
            candidates=tuple(candidates),
            results={result.trial: result for result in results},
            anchors=anchors,
            scores_KN=scores_KN,
            ranks_KN=ranks_KN,
            unit_ranks_KN=as_units(ranks_KN),
            anchor_ranks_AN=mean_ranks(np.array([*anchors.values()]).reshape(-1, scores_KN.shape[1])),
        )

    def at(self, rows_M: npt.NDArray[np.int64]) -> Self:
        """The same pool seen on some panel rows, which may repeat: one bootstrap resample."""
        ranks_KM = resampled_ranks(self.ranks_KN, rows_M)
        return replace(
            self,
            candidates=tuple(replace(c, panel_scores=c.panel_scores[rows_M]) for c in self.candidates),
            anchors={name: scores_N[rows_M] for name, scores_N in self.anchors.items()},
            scores_KN=self.scores_KN.take(rows_M, axis=1),
            ranks_KN=ranks_KM,
            unit_ranks_KN=as_units(ranks_KM),
            anchor_ranks_AN=resampled_ranks(self.anchor_ranks_AN, rows_M),
        )

    @property
    def detectors(self) -> dict[str, npt.NDArray[np.intp]]:
        """Detector -> positions of its candidates."""
        names = np.array([c.detector for c in self.candidates])
        return {str(name): np.flatnonzero(names == name) for name in np.unique(names)}

    @property
    def anchor_groups(self) -> dict[str | None, list[int]]:
        """Own anchor -> positions of its candidates; None -> those of detectors that are no anchor."""
        groups: dict[str | None, list[int]] = {}
        for position, candidate in enumerate(self.candidates):
            own = candidate.detector if candidate.detector in self.anchors else None
            groups.setdefault(own, []).append(position)
        return groups
