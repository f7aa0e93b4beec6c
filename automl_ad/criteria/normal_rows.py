"""Which panel rows stand for normal ones when pseudo-anomalies are compared with the panel.

Shapes: K candidates, N panel rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.anchors import mean_anchor_ranks
from automl_ad.criteria.evidence import Evidence

BoolArray = npt.NDArray[np.bool_]

SUSPECT_SHARE = 0.2
"""SELECTION 2, P: so many of the rows that the anchors find strangest are left out. Where data were declared
clean too: normal rows have strange ones among them; with these the first by probe AUC fell from mean AUROC
of .900 to .872 on eight public tables, the first by discrepancy from .899 to .792."""


def normal_rows(evidence: Evidence) -> list[BoolArray]:
    """For each of the K candidates [N], True at the rows that count as normal.

    Not the fifth that the anchors of other detectors rank highest. A detector's own anchor has no say: it
    would remove just those rows that the detector scores highest.
    """
    is_normal = [np.ones(evidence.scores_KN.shape[1], dtype=np.bool_)] * len(evidence.candidates)
    for own, group in evidence.anchor_groups.items():
        ranks_N = mean_anchor_ranks(own, evidence.anchors, evidence.anchor_ranks_AN)
        if ranks_N is not None:
            kept_N = least_suspect(ranks_N)
            for position in group:
                is_normal[position] = kept_N
    return is_normal


def least_suspect(ranks_N: npt.NDArray[np.float64]) -> BoolArray:
    """[N], False at the suspect share of the rows: those with the highest mean rank [N] over the anchors."""
    n_kept = len(ranks_N) - round(SUSPECT_SHARE * len(ranks_N))
    # Rows tied with the last that is kept are kept too: which came first in the file says nothing.
    return np.asarray(ranks_N <= np.sort(ranks_N)[n_kept - 1])
