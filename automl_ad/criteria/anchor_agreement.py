"""Criterion: how well a candidate's order of the panel agrees with the mean order of the anchors.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.ranks import normalised_ranks, spearman, unit_ranks

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
        ranks = {name: normalised_ranks(scores_N) for name, scores_N in evidence.anchors.items()}
        detectors = np.array([c.detector for c in evidence.candidates])
        is_foreign_K = ~np.isin(detectors, list(ranks))
        values_K = np.full(len(detectors), np.nan)
        for left_out in ("", *ranks):
            is_judged_K = detectors == left_out if left_out else is_foreign_K
            others = [ranks_N for name, ranks_N in ranks.items() if name != left_out]
            if others and is_judged_K.any():
                values_K[is_judged_K] = evidence.unit_ranks_KN[is_judged_K] @ unit_ranks(
                    np.mean(others, axis=0)
                )
        return values_K


def anchor_agreement_of(scores_N: npt.NDArray[np.floating], detector: str, anchors: Anchors) -> float:
    """The criterion for one candidate: what the sampler maximises when training data are `unknown`.

    NaN when no anchor of another detector exists, or when the scores are constant or not finite.
    """
    others = [normalised_ranks(anchor_N) for name, anchor_N in anchors.items() if name != detector]
    if not others or not np.isfinite(scores_N).all():
        return float("nan")
    return spearman(scores_N, np.mean(others, axis=0))
