"""Criterion: whether the members of a trial, the same network from other initialisations, see the same rows.

Shapes: S members, K candidates, N panel rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.ranks import unit_ranks

TOP_SHARE = 0.05


class MemberAgreement:
    """Mean over member pairs of Spearman's correlation and of the Jaccard overlap of their top 5 %.

    The first looks at all rows, the second at those that would raise an alarm; the figure is their average.
    A measure of robustness, not of quality: one candidate chosen by it reaches .712 mean AUROC, a random one
    .708 (SELECTION 3B). Hence a veto below .3 (`criteria.veto`) and a column of the table, not a vote.
    """

    name: ClassVar[str] = "member_agreement"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (-0.5, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("members",)
    cost: ClassVar[str] = "K; S^2 N inside the trial"
    source: ClassVar[str] = "Perini et al. 2020 (stability); SELECTION 2"
    failure_mode: ClassVar[str] = "members that make the same mistake agree"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN with fewer than two members."""
        figures = [(c.member_agreement, c.member_jaccard) for c in evidence.candidates]
        # dtype float turns None into NaN.
        values_K: npt.NDArray[np.float64] = np.array(figures, dtype=np.float64).mean(axis=1)
        return values_K


def agreement_of_members(scores_SN: npt.NDArray[np.floating]) -> tuple[float | None, float | None]:
    """(mean pairwise Spearman, mean pairwise Jaccard of the top 5 %); None with fewer than two members.

    A constant member agrees with nobody: its pairs count 0. None also when a score is not finite.
    """
    n_members, n_rows = scores_SN.shape
    if n_members < 2 or not np.isfinite(scores_SN).all():
        return None, None
    pairs = np.triu_indices(n_members, k=1)
    units_SN = unit_ranks(scores_SN)
    n_top = max(1, round(TOP_SHARE * n_rows))
    is_top_SN = np.zeros(scores_SN.shape, dtype=np.float32)
    np.put_along_axis(is_top_SN, np.argsort(-scores_SN, axis=1, kind="stable")[:, :n_top], 1.0, axis=1)
    n_shared_SS = is_top_SN @ is_top_SN.T
    jaccard_SS = n_shared_SS / (2 * n_top - n_shared_SS)
    return float((units_SN @ units_SN.T)[pairs].mean()), float(jaccard_SS[pairs].mean())
