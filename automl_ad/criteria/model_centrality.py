"""Criterion: how well a candidate agrees with all others of the pool, whoever they are.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence


class ModelCentrality:
    """Mean Spearman correlation with every other candidate, as published.

    One of the two best stand-alone criteria of the UOMS study (.771 against .704 of a random pick, 39 sets).
    Its pool had as many settings of each detector as were worth comparing; a pool with sixteen checkpoints
    and score types of one trial is what `consensus` is balanced for.
    """

    name: ClassVar[str] = "model_centrality"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("pool",)
    cost: ClassVar[str] = "K N"
    source: ClassVar[str] = (
        "ModelCentrality, Lin et al. 2020, as used by Ma et al. 2023 (UOMS); SELECTION 2, MC"
    )
    failure_mode: ClassVar[str] = "the detector with the most candidates agrees with itself and leads"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN for a candidate alone."""
        units_KN = evidence.unit_ranks_KN
        if len(units_KN) < 2:
            return np.full(len(units_KN), np.nan)
        # The sum over all, less the product with itself: no K x K matrix.
        with_all_K = units_KN @ units_KN.sum(axis=0)
        with_itself_K = np.einsum("kn,kn->k", units_KN, units_KN)
        values_K: npt.NDArray[np.float64] = (with_all_K - with_itself_K).astype(np.float64)
        return values_K / (len(units_KN) - 1)
