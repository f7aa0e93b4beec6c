"""How the selection fared, in hindsight: metrics with labels, beside every baseline row."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from automl_ad.config import DataConfig
from automl_ad.evaluation.labels import read_labels
from automl_ad.evaluation.metrics import auroc, average_precision
from automl_ad.results import Audit, Metrics
from automl_ad.searching import SearchOutcome


def audit(outcome: SearchOutcome, data: DataConfig) -> Audit:
    """Judge a finished search with the labels it never saw.

    Raises DataError when the label column cannot be read as labels.
    """
    if data.label_column is None:
        raise ValueError("an audit needs a label column")
    labels = read_labels(data.sources, data.label_column, outcome.panel_positions)
    scores = {c.key: c.panel_scores for result in outcome.results for c in result.candidates}

    def measure(values: npt.NDArray[np.floating]) -> Metrics:
        return Metrics(auroc=auroc(labels, values), average_precision=average_precision(labels, values))

    return Audit(
        output=measure(outcome.exported.panel_scores),
        candidates={row.key: measure(scores[row.key]) for row in outcome.selection.ranking if not row.veto},
        n_rows=len(labels),
        n_anomalies=int(labels.sum()),
    )
