"""Criterion: how well a candidate agrees with the other detectors of the pool, all weighing the same.

Shapes: K candidates, N panel rows, F detector families.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence


class Consensus:
    """Mean Spearman correlation with the candidates of each other detector, averaged over detectors.

    No K x K matrix is built: with unit ranks the mean correlation with a detector's candidates is the
    dot product with their mean.
    """

    # NOTE[DIFF] ModelCentrality counts all others. A candidate's own detector stays out here: its many
    # checkpoints and score types agree with each other whatever they are worth.

    name: ClassVar[str] = "consensus"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("pool",)
    cost: ClassVar[str] = "K N F"
    source: ClassVar[str] = "ModelCentrality, Lin et al. 2020; family-balanced: SELECTION 2, MC"
    failure_mode: ClassVar[str] = "a pool whose majority shares one mistake"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN when the pool holds one detector only."""
        families = list(evidence.detectors.values())
        if len(families) < 2:
            return np.full(len(evidence.candidates), np.nan)
        means_FN = np.stack([evidence.unit_ranks_KN[family].mean(axis=0) for family in families])
        agreement_KF = (evidence.unit_ranks_KN @ means_FN.T).astype(np.float64)
        for position, family in enumerate(families):
            agreement_KF[family, position] = np.nan
        values_K: npt.NDArray[np.float64] = np.nanmean(agreement_KF, axis=1)
        return values_K
