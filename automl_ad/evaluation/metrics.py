"""Metrics that need labels: AUROC and average precision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, roc_auc_score


def auroc(is_anomaly: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]) -> float:
    """Area under the ROC curve; 0.5 is chance.

    >>> auroc(np.array([False, False, True]), np.array([0.1, 0.2, 0.3]))
    1.0
    """
    return float(roc_auc_score(is_anomaly, scores))


def average_precision(is_anomaly: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]) -> float:
    """Average precision; the share of anomalies is chance.

    >>> average_precision(np.array([False, True, True]), np.array([0.1, 0.2, 0.3]))
    1.0
    """
    return float(average_precision_score(is_anomaly, scores))
