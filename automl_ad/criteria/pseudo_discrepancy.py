"""Criterion: how far rows of a Gaussian score above the panel, in standard deviations of both.

Shapes: K candidates, N panel rows that count as normal, P probe rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.normal_rows import normal_rows

Scores = npt.NDArray[np.floating]

GENERATOR = "gauss"
EPSILON = 1e-6
"""Added to the variances, in units of a candidate's squared score range."""


class PseudoDiscrepancy:
    """NPD: squared difference of the mean scores of `gauss` and of normal rows, over both variances.

    The best criterion of its paper on clean data; here no better than a random pick (.761 against .748
    clean, .700 against .710 contaminated) and the only one that falls as the search goes on, from .704 to
    .668: whatever makes the Gaussian look strange is found (SELECTION 3A). So it does not vote.
    """

    # NOTE[DIFF] negative when the Gaussian scores below the panel: squared, that would look as good.

    name: ClassVar[str] = "pseudo_discrepancy"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    needs: ClassVar[tuple[Need, ...]] = ("probes",)
    cost: ClassVar[str] = "K (N + P)"
    source: ClassVar[str] = "NPD of AutoUAD, Dai and Fan 2025; SELECTION 2"
    failure_mode: ClassVar[str] = "one kind of pseudo-anomaly, the easiest; a search exploits it"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN where the `gauss` probes are missing."""
        return np.array([discrepancy(*pair) if pair else np.nan for pair in normal_and_gauss(evidence)])


def normal_and_gauss(evidence: Evidence) -> list[tuple[Scores, Scores] | None]:
    """Per candidate the scores of the normal rows [N] and of the probes [P]; None without these probes."""
    return [
        (c.panel_scores[is_normal_N], c.probe_scores[GENERATOR]) if GENERATOR in c.probe_scores else None
        for c, is_normal_N in zip(evidence.candidates, normal_rows(evidence), strict=True)
    ]


def discrepancy(normal_N: Scores, strange_P: Scores) -> float:
    """(mean difference)^2 / (2 * sum of variances + epsilon), with the sign of the difference."""
    both = np.concatenate([normal_N, strange_P]).astype(np.float64)
    unit = (both - both.min()) / (np.ptp(both) or 1.0)
    normal, strange = unit[: len(normal_N)], unit[len(normal_N) :]
    gap = strange.mean() - normal.mean()
    return float(np.sign(gap) * gap**2 / (2 * (strange.var() + normal.var()) + EPSILON))
