"""Criterion: how far the strangest rows lie above the typical row.

Shapes: K candidates.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.tail_shape import tail_figures


class RelativeTopMedian:
    """RTM: distance of the mean of the top 5 % from the median, in medians above the lowest score.

    Between trials no better than a random pick (.707 against .748 clean, .701 against .710 contaminated;
    SELECTION 3A): a figure of the table, whose rank is half of `tail_shape`.
    """

    name: ClassVar[str] = "relative_top_median"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    needs: ClassVar[tuple[Need, ...]] = ("scores",)
    cost: ClassVar[str] = "K N log N"
    source: ClassVar[str] = "AutoUAD, Dai and Fan 2025; SELECTION 2, T"
    failure_mode: ClassVar[str] = "one row far below the others makes every median large"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]."""
        return tail_figures(evidence.scores_KN)[0]
