"""From panel scores and a rate to the score above which a row is called an anomaly.

Shape: N panel rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl_ad.artifact.ensemble import majority
from automl_ad.artifact.manifest import Threshold


def threshold_of(
    panel_scores_N: npt.NDArray[np.floating], *, alert_rate: float, contamination: float | None = None
) -> Threshold:
    """The threshold that flags about the given share of the panel; contamination comes before alert rate.

    Of N panel rows the round(rate * N) highest are flagged, by `score > threshold`, never more: rows that
    tie at the cut are not flagged, so that a rate is a ceiling on alerts. The value lies halfway between the
    two panel scores around the cut, so that rounding on another machine does not flip a panel row.

    >>> threshold_of(np.array([1.0, 2.0, 3.0, 9.0]), alert_rate=0.25)
    Threshold(value=6.0, rule='alert rate 25 %: flags 1 of 4 panel rows')
    """
    rate = alert_rate if contamination is None else contamination
    name = "alert rate" if contamination is None else "contamination"
    value = _cut(np.sort(panel_scores_N.astype(np.float64)), rate)
    n_flagged = int((panel_scores_N > value).sum())
    rule = f"{name} {100 * rate:g} %: flags {n_flagged:,} of {len(panel_scores_N):,} panel rows"
    return Threshold(value=value, rule=rule)


def majority_threshold(panel_scores_N: npt.NDArray[np.floating], *, n_parts: int, rate: float) -> Threshold:
    """The threshold of a vote of equal parts: more than half of them must flag the row."""
    value = majority(n_parts)
    n_flagged = int((panel_scores_N > value).sum())
    return Threshold(
        value=value,
        rule=f"majority of {n_parts} parts that flag {100 * rate:g} % each: flags {n_flagged:,} of "
        f"{len(panel_scores_N):,} panel rows",
    )


def _cut(ascending_N: npt.NDArray[np.float64], rate: float) -> float:
    n_flagged = min(round(rate * len(ascending_N)), len(ascending_N) - 1)
    below = ascending_N[len(ascending_N) - n_flagged - 1]
    above = ascending_N[len(ascending_N) - n_flagged] if n_flagged else below
    return float(below + (above - below) / 2)
