"""Which panel rows stand for normal ones when pseudo-anomalies are compared with the panel.

Shapes: N panel rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.anchors import mean_anchor_ranks
from automl_ad.criteria.evidence import Evidence

BoolArray = npt.NDArray[np.bool_]

SUSPECT_SHARE = 0.2
"""SELECTION 2, P: so many of the rows that the anchors find strangest are left out of possibly mixed data."""


def normal_rows(evidence: Evidence) -> dict[str, BoolArray]:
    """Detector -> [N], True at the rows that count as normal: all of them when training data are clean.

    Otherwise without the fifth that the anchors of other detectors rank highest. A detector's own anchor
    has no say: it would remove just those rows that the detector scores highest.
    """
    n_rows = evidence.scores_KN.shape[1]
    ranks = {} if evidence.is_clean else mean_anchor_ranks(evidence.detectors, evidence.anchors)
    everything_N = np.ones(n_rows, dtype=np.bool_)
    return {
        detector: _least_suspect(ranks[detector]) if detector in ranks else everything_N
        for detector in evidence.detectors
    }


def _least_suspect(ranks_N: npt.NDArray[np.float64]) -> BoolArray:
    n_kept = len(ranks_N) - round(SUSPECT_SHARE * len(ranks_N))
    # Rows tied with the last that is kept are kept too: which came first in the file says nothing.
    return np.asarray(ranks_N <= np.sort(ranks_N)[n_kept - 1])
