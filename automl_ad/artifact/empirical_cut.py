"""The threshold at an empirical quantile of the panel: what `alert-rate` and `contamination` ask for.

Shape: N panel rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def empirical_cut(ascending_N: npt.NDArray[np.float64], n_flagged: int) -> float:
    """The score that at most `n_flagged` rows of the panel exceed; the highest score when that is none.

    Rows that tie at the cut are not flagged, so that a rate is a ceiling on alerts. The value lies halfway
    between the two scores around the cut, so that rounding on another machine does not flip a panel row.

    >>> empirical_cut(np.array([1.0, 2.0, 3.0, 9.0]), 1)
    6.0
    """
    n_flagged = min(n_flagged, len(ascending_N) - 1)
    below = ascending_N[len(ascending_N) - n_flagged - 1]
    above = ascending_N[len(ascending_N) - n_flagged] if n_flagged else below
    return float(below + (above - below) / 2)


def rate_cut(panel_scores_N: npt.NDArray[np.float64], rate: float) -> tuple[float, str]:
    """(threshold, what is to say of it): of N rows the round(rate * N) highest lie above it."""
    return empirical_cut(np.sort(panel_scores_N), round(rate * len(panel_scores_N))), ""
