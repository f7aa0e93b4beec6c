"""Criterion: whether training has settled, within one training and across members.

Shapes: S members, E epochs, K candidates.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.results import TrialResult

LAST_SHARE = 0.25
MIN_EPOCHS = 4
"""Below four epochs there is no last quarter."""


class LossStability:
    """Relative change of the loss over the last quarter of training, plus its relative spread over members.

    Paper 000, section 4.4.2, asks for convergence within a training and across trainings. A ranking of
    detectors by it is random (.752 clean and .718 contaminated, against .748 and .710; SELECTION 3A), so it
    is shown and does not vote.
    """

    name: ClassVar[str] = "loss_stability"
    direction: ClassVar[Direction] = "min"
    bounds: ClassVar[tuple[float, float]] = (0.0, float("inf"))
    needs: ClassVar[tuple[Need, ...]] = ("losses",)
    cost: ClassVar[str] = "K S E"
    source: ClassVar[str] = "paper 000, section 4.4.2; SELECTION 2"
    failure_mode: ClassVar[str] = "a network that learns nothing is perfectly stable"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN for closed-form detectors and within the first epochs of a training phase."""
        return np.array(
            [_stability(evidence.results[c.key.trial], c.key.checkpoint) for c in evidence.candidates]
        )


def phase_losses(result: TrialResult, checkpoint: int) -> npt.NDArray[np.float64]:
    """[S, E] losses of the training phase that the checkpoint lies in, up to the checkpoint.

    Losses of another phase (a pretraining) have another scale. Empty for closed-form detectors.
    """
    if result.losses is None or checkpoint == 0:
        return np.empty((0, 0))
    start = max((epoch for epoch in result.phase_starts if epoch < checkpoint), default=0)
    return result.losses[:, start:checkpoint].astype(np.float64)


def _stability(result: TrialResult, checkpoint: int) -> float:
    losses_SE = phase_losses(result, checkpoint)
    if losses_SE.shape[1] < MIN_EPOCHS:
        return float("nan")
    alive_SE = losses_SE[np.isfinite(losses_SE).all(axis=1)]
    if not len(alive_SE):
        return float("nan")
    last = alive_SE[:, -1]
    before = alive_SE[:, -1 - round(LAST_SHARE * alive_SE.shape[1])]
    scale = max(_scale(alive_SE.mean(axis=0), before.mean(), last.mean()), np.finfo(np.float64).tiny)
    return float((np.abs(last.mean() - before.mean()) + last.std()) / scale)


def _scale(mean_E: npt.NDArray[np.float64], before: float, last: float) -> float:
    """What a change is relative to: the loss, or, where the loss has no zero, its range over the phase."""
    if mean_E.min() >= 0:
        return max(before, last)
    return float(np.ptp(mean_E))  # a log-likelihood, a critic's distance: adding a constant changes nothing
