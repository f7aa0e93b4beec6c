"""Criterion: how cleanly a cut through the highest scores divides the rows in two groups.

Shapes: K candidates.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.tail_shape import tail_figures


class ExpectedAnomalyGap:
    """EAG: variance between the rows above and below a cut over that within, mean over the top 20 % of cuts.

    Between trials no better than a random pick (.721 against .748 clean, .690 against .710 contaminated;
    SELECTION 3A): a figure of the table, whose rank is half of `tail_shape`.
    """

    name: ClassVar[str] = "expected_anomaly_gap"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    needs: ClassVar[tuple[Need, ...]] = ("scores",)
    cost: ClassVar[str] = "K N log N"
    source: ClassVar[str] = "AutoUAD, Dai and Fan 2025; SELECTION 2, T"
    failure_mode: ClassVar[str] = "two clusters of normal rows, one of them below a fifth, are a perfect gap"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]."""
        return tail_figures(evidence.scores_KN)[1]
