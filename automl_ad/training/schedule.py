"""How many epochs a detector trains, and after which of them it is judged."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import accumulate

from automl_ad.detectors.base import Detector
from automl_ad.detectors.deep import DeepDetector


def n_epochs(detector: Detector, n_rows: int) -> int:
    """Epochs over all phases; 0 for closed-form detectors."""
    if not isinstance(detector, DeepDetector):
        return 0
    return sum(phase.n_epochs for phase in detector.phases(n_rows))


def phase_starts(detector: Detector, n_rows: int) -> tuple[int, ...]:
    """The epoch at which each phase begins, from 0; (0,) for closed-form detectors."""
    if not isinstance(detector, DeepDetector):
        return (0,)
    *before_last, _ = accumulate((phase.n_epochs for phase in detector.phases(n_rows)), initial=0)
    return tuple(before_last)


def checkpoint_epochs(n_epochs_total: int, shares: Collection[float] = ()) -> tuple[int, ...]:
    """The epochs 5, 10, 20, 50, 100, ... before the last, and the last; and the first at each share of all.

    More epochs are not always better: contaminated rows are learnt late (METHODS M01), so each is judged.

    >>> checkpoint_epochs(100), checkpoint_epochs(3), checkpoint_epochs(30, shares=(1 / 3,))
    ((5, 10, 20, 50, 100), (3,), (5, 10, 20, 30))
    """
    epochs: list[int] = []
    decade = 1
    while decade < n_epochs_total:
        epochs += [mark for mark in (decade, 2 * decade, 5 * decade) if 5 <= mark < n_epochs_total]
        decade *= 10
    epochs += [math.ceil(share * n_epochs_total) for share in shares]
    return tuple(sorted({*epochs, n_epochs_total}))
