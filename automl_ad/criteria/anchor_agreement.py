"""Criterion: how well a candidate's order of the panel agrees with the mean order of the anchors.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.anchors import mean_anchor_ranks
from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.ranks import mean_ranks, spearman, unit_ranks

Anchors = Mapping[str, npt.NDArray[np.floating]]


class AnchorAgreement:
    """Spearman's correlation with the mean normalised ranks of the anchors, its own detector left out.

    An isolation forest agrees best with the isolation forest among the anchors: that is not evidence, and
    it once was mistaken for it (SELECTION 3B).
    """

    name: ClassVar[str] = "anchor_agreement"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("anchors",)
    cost: ClassVar[str] = "K N"
    source: ClassVar[str] = "SELECTION 2, I; model centrality with fixed experts, Ma et al. 2023 (UOMS)"
    failure_mode: ClassVar[str] = "cannot show that a candidate is better than its anchors"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN where no anchor of another detector exists."""
        values_K = np.full(len(evidence.candidates), np.nan)
        for own, group in evidence.anchor_groups.items():
            ranks_N = mean_anchor_ranks(own, evidence.anchors, evidence.anchor_ranks_AN)
            if ranks_N is not None:
                values_K[group] = evidence.unit_ranks_KN[group] @ unit_ranks(ranks_N)
        return values_K


def anchor_agreement_of(scores_N: npt.NDArray[np.floating], detector: str, anchors: Anchors) -> float:
    """The criterion for one candidate: what the sampler maximises when training data are `unknown`.

    NaN when no anchor of another detector exists, or when the scores are constant or not finite.
    """
    others = {name: anchor_N for name, anchor_N in anchors.items() if name != detector}
    if not others or not np.isfinite(scores_N).all():
        return float("nan")
    ranks_N = mean_anchor_ranks(detector, others, mean_ranks(np.stack([*others.values()])))
    return float("nan") if ranks_N is None else spearman(scores_N, ranks_N)
