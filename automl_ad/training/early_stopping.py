"""When one training ends by itself: two rules, each fed one number at a time, and neither compares trials.

Shapes: N rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import entr

SMALLEST_DROP = 0.01
"""R_down: least share of the movement since the last minimum that must have led downwards (SELECTION 2)."""
PATIENCE_STEPS = 100
"""k of EntropyStop, in optimizer steps (SELECTION 2)."""
MIN_PATIENCE_EPOCHS = 5
"""In a large table 100 steps are less than an epoch; one unlucky evaluation shall not end a training."""
SAME_ORDER = 0.99
"""Spearman's 1 - 6 mean(d^2) / N^2 is .99 when rows move by 4 % of the panel (root mean square): less than
the top 5 %, where criteria look and alarms are raised."""
N_SAME = 2
"""Agreements in a row: one may be a plateau between two slopes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a rule says after one more number."""

    is_best: bool = False
    """Whether the weights of now are the ones to keep."""
    reason: str = ""
    """Why training shall end; empty: it goes on."""


class EntropyStop:
    """Ends a training whose loss entropy has stopped falling: from there on it learns the anomalies.

    Huang et al. 2024, "EntropyStop: Unsupervised Deep Outlier Detection with Loss Entropy" (KDD), and the
    authors' EntropyEarlyStop. For contaminated data only: on clean data it hurts (SELECTION 2).
    """

    def __init__(self, patience: int) -> None:
        self._patience = patience
        self._lowest = math.inf
        self._previous: float | None = None
        self._moved = 0.0  # G, since the last improvement
        self._n_idle = 0

    def update(self, entropy: float) -> Decision:
        """Take the entropy after one more epoch; one that is not finite is no improvement."""
        if math.isfinite(entropy):
            self._moved += 0.0 if self._previous is None else abs(entropy - self._previous)
            self._previous = entropy
            if self._lowest - entropy > SMALLEST_DROP * self._moved:
                self._lowest, self._moved, self._n_idle = entropy, 0.0, 0
                return Decision(is_best=True)
        self._n_idle += 1
        if self._n_idle < self._patience:
            return Decision()
        return Decision(reason=f"early stopping: no lower loss entropy in {self._n_idle} epochs")


class StabilityStop:
    """Ends a training that has stopped changing the order of the panel, whatever its loss still does."""

    def __init__(self) -> None:
        self._n_same = 0

    def update(self, agreement: float) -> Decision:
        """Take Spearman's correlation of two consecutive checkpoints; NaN (constant scores) breaks a row."""
        self._n_same = self._n_same + 1 if agreement > SAME_ORDER else 0
        if self._n_same < N_SAME:
            return Decision()
        return Decision(reason=f"early stopping: the order of the panel was stable over {N_SAME} checkpoints")


def loss_entropy(losses_N: npt.NDArray[np.floating]) -> float:
    """Entropy of the losses as shares of their sum, in nats; NaN when one of them is not finite.

    >>> round(loss_entropy(np.ones(8)) / math.log(2), 6), loss_entropy(np.array([0.0, 5.0]))
    (3.0, 0.0)
    """
    if not np.isfinite(losses_N).all():
        return math.nan
    # NOTE[DIFF] published losses are reconstruction errors; a log-density may be negative: its least is then
    # moved to 0.
    positive_N = losses_N.astype(np.float64) - min(0.0, float(losses_N.min()))
    total = positive_N.sum()
    return float(entr(positive_N / total).sum()) if total > 0 else math.log(len(losses_N))


def patience_in_epochs(n_steps_per_epoch: int) -> int:
    """The published patience of 100 steps, for a rule that is asked once per epoch.

    NOTE[DIFF] published per optimizer step: an extra forward pass each would double the cost of training.

    >>> patience_in_epochs(6), patience_in_epochs(157)
    (17, 5)
    """
    return max(MIN_PATIENCE_EPOCHS, math.ceil(PATIENCE_STEPS / n_steps_per_epoch))
