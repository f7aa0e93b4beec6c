"""Criterion: whether training still changes the order of the rows.

Shapes: K candidates.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence


class CheckpointStability:
    """Spearman correlation with the next earlier checkpoint of the same trial and score type.

    Paper 000 asks for convergence within a training; what a user sees converge is the order of rows, not
    the loss. Like every stability it says that an answer is settled, not that it is right.
    """

    name: ClassVar[str] = "checkpoint_stability"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("pool",)
    cost: ClassVar[str] = "K N"
    source: ClassVar[str] = "paper 000, section 4.4.2, applied to scores in place of losses"
    failure_mode: ClassVar[str] = "a network that learns nothing never changes its mind"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN for a trial's first checkpoint and for closed-form detectors."""
        keys = [c.key for c in evidence.candidates]
        values_K = np.full(len(keys), np.nan)
        # Keys order by trial, score type and checkpoint.
        for before, now in pairwise(sorted(range(len(keys)), key=keys.__getitem__)):
            if (keys[before].trial, keys[before].score_type) == (keys[now].trial, keys[now].score_type):
                values_K[now] = evidence.unit_ranks_KN[before] @ evidence.unit_ranks_KN[now]
        return values_K
