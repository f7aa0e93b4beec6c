"""Criterion: the pseudo discrepancy on a logarithmic scale, where a few huge scores do not decide.

Shapes: K candidates, N panel rows that count as normal, P probe rows.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.log_scores import log_scores
from automl_ad.criteria.pseudo_discrepancy import Scores, discrepancy, normal_and_gauss


class LogPseudoDiscrepancy:
    """NPD of log scores.

    Reconstruction errors and squared distances span orders of magnitude: the variance of the plain scores
    is that of their few largest, and the plain figure sinks the better a detector sees the strangest rows.
    """

    name: ClassVar[str] = "log_pseudo_discrepancy"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))
    needs: ClassVar[tuple[Need, ...]] = ("probes",)
    cost: ClassVar[str] = "K (N + P)"
    source: ClassVar[str] = "NPD of AutoUAD, Dai and Fan 2025, on log scores: SELECTION 2"
    failure_mode: ClassVar[str] = "like the plain one: the Gaussian is the easiest pseudo-anomaly"

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN where the `gauss` probes are missing."""
        return np.array([_figure(*pair) if pair else np.nan for pair in normal_and_gauss(evidence)])


def _figure(normal_N: Scores, strange_P: Scores) -> float:
    logs = log_scores(np.concatenate([normal_N, strange_P]), normal_N)
    return discrepancy(logs[: len(normal_N)], logs[len(normal_N) :])
