"""Criterion: agreement with the other detectors, those that agree with others themselves counting more.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.consensus import Consensus
from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence

Float64Array = npt.NDArray[np.float64]

N_ROUNDS = 10
POWER = 4


class IteratedConsensus:
    """Weighted mean Spearman correlation with the candidates of other detectors, after ten rounds.

    Round 0 is the family-balanced consensus c; each round weighs candidate j by max(c_j, 0)^4 over the size
    of its family. One candidate chosen by it reaches .802 mean AUROC against .790 without the rounds
    (SELECTION 3B).
    """

    name: ClassVar[str] = "iterated_consensus"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("pool",)
    cost: ClassVar[str] = "10 K N"
    source: ClassVar[str] = "SELECTION 2, iterated MC; truth inference by weighted vote"
    failure_mode: ClassVar[str] = "like consensus, and faster: the largest clique wins"

    def __call__(self, evidence: Evidence) -> Float64Array:
        """[K]; NaN when the pool holds one detector only."""
        families = list(evidence.detectors.values())
        share_K = np.empty(len(evidence.candidates))
        for family in families:
            share_K[family] = 1 / len(family)
        agreement_K = Consensus()(evidence)
        for _ in range(N_ROUNDS):
            weight_K = share_K * np.maximum(agreement_K, 0) ** POWER
            agreement_K = _weighted(evidence.unit_ranks_KN, weight_K, families)
        return agreement_K


def _weighted(
    unit_KN: npt.NDArray[np.float32], weight_K: Float64Array, families: list[npt.NDArray[np.intp]]
) -> Float64Array:
    """[K] weighted mean correlation with the other families; 0 where they have no weight, NaN stays."""
    weighted_KN = weight_K.astype(np.float32)[:, None] * unit_KN
    total_N, total_weight = weighted_KN.sum(axis=0), weight_K.sum()
    agreement_K = np.empty(len(weight_K))
    for family in families:
        others_N = total_N - weighted_KN[family].sum(axis=0)
        others_weight = total_weight - weight_K[family].sum()
        # Not exactly 0 after the subtraction when only this family has weight.
        has_others = not others_weight <= 1e-9 * total_weight
        agreement_K[family] = unit_KN[family] @ others_N / others_weight if has_others else 0.0
    return agreement_K
