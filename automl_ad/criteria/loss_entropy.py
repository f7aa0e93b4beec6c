"""Criterion: whether few rows hold most of the scores, or all rows the same.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
from scipy.special import entr

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence


class LossEntropy:
    """Entropy of the scores as shares of their sum, over its maximum log N: 1 when all rows score the same.

    A signal for checkpoints, not a ranking of detectors: while a network learns the normal rows their losses
    fall and the entropy with them, until it learns the anomalies too. It compares checkpoints of one trial
    and score type under contamination; between detectors it measures the shape of their scores, and picks
    worse than chance (.702 against .748 clean, .683 against .710 contaminated; SELECTION 3A).
    """

    # NOTE[DIFF] EntropyStop takes the losses of a fixed subset, here the panel's scores with the lowest
    # moved to 0: not every score has a zero. It looks at each step; candidates exist at checkpoints only.

    name: ClassVar[str] = "loss_entropy"
    direction: ClassVar[Direction] = "min"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("scores",)
    cost: ClassVar[str] = "K N"
    source: ClassVar[str] = "EntropyStop, KDD 2024; SELECTION 2, loss entropy"
    failure_mode: ClassVar[str] = (
        "detectors with heavy-tailed scores lead; clean data, where it stops too early"
    )

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; 1 for constant scores, NaN for a panel of one row."""
        heights_KN = evidence.scores_KN.astype(np.float64)
        n_rows = heights_KN.shape[1]
        if n_rows < 2:
            return np.full(len(heights_KN), np.nan)
        heights_KN -= heights_KN.min(axis=1, keepdims=True)
        total_K = heights_KN.sum(axis=1, keepdims=True)
        heights_KN /= np.where(total_K > 0, total_K, 1.0)
        entropy_K = entr(heights_KN).sum(axis=1) / np.log(n_rows)
        values_K: npt.NDArray[np.float64] = np.where(total_K[:, 0] > 0, entropy_K, 1.0)
        return values_K
