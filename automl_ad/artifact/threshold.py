"""From panel scores and a rate to the score above which a row is called an anomaly: one rule of several.

Shape: N panel rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from automl_ad.artifact.empirical_cut import rate_cut
from automl_ad.artifact.ensemble import majority
from automl_ad.artifact.manifest import Threshold
from automl_ad.artifact.moving_cut import moving_cut
from automl_ad.artifact.tail_cut import tail_cut
from automl_ad.config import ThresholdRule

CutRule: TypeAlias = Callable[[npt.NDArray[np.float64], float], tuple[float, str]]
"""(panel scores [N], rate) -> (threshold, what the rule's text says of it)."""
CUT_RULES: Mapping[ThresholdRule, CutRule] = {
    "alert-rate": rate_cut,
    "contamination": rate_cut,
    "pot": tail_cut,
    "ema": moving_cut,
}
_NAMES: Mapping[ThresholdRule, str] = {
    "alert-rate": "alert rate",
    "contamination": "contamination",
    "pot": "pot at alert rate",
    "ema": "ema at alert rate",
}


def threshold_of(
    panel_scores_N: npt.NDArray[np.floating], *, rate: float, rule: ThresholdRule = "alert-rate"
) -> Threshold:
    """The threshold by which the rule means to flag the given share of rows, `score > threshold`.

    >>> threshold_of(np.array([1.0, 2.0, 3.0, 9.0]), rate=0.25).rule
    'alert rate 25 %: flags 1 of 4 panel rows'
    """
    value, remark = CUT_RULES[rule](panel_scores_N.astype(np.float64), rate)
    n_flagged = int((panel_scores_N > value).sum())
    flags = f"flags {n_flagged:,} of {len(panel_scores_N):,} panel rows"
    return Threshold(value=value, rule=f"{_NAMES[rule]} {100 * rate:g} %{remark}: {flags}")


def majority_threshold(panel_scores_N: npt.NDArray[np.floating], *, n_parts: int, rate: float) -> Threshold:
    """The threshold of a vote of equal parts: more than half of them must flag the row."""
    value = majority(n_parts)
    n_flagged = int((panel_scores_N > value).sum())
    return Threshold(
        value=value,
        rule=f"majority of {n_parts} parts that flag {100 * rate:g} % each: flags {n_flagged:,} of "
        f"{len(panel_scores_N):,} panel rows",
    )
