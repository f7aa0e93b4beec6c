"""Which criteria vote on the order of the candidates, and how much each vote weighs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from automl_ad.config import SelectionConfig
from automl_ad.criteria import CRITERIA
from automl_ad.errors import ConfigError, did_you_mean
from automl_ad.selection.pool import Pool

USUAL = ("log_pseudo_discrepancy", "tail_shape")
"""How far Gaussian pseudo-anomalies stand off from normal rows, and how far the panel's own strangest do.
Each alone is fooled in its own way: the one by detectors that are blind to real anomalies, the other by
scores that explode on a few arbitrary rows. Chosen on the public tables, the same for both kinds of
training data, and to be held against others; BENCHMARKS has what other voters reach. Probe AUC does not
vote on tables, so that it may judge whether the output beats the anchors' average (`comparison`)."""

Table = Mapping[str, npt.NDArray[np.float64]]
"""Criterion -> its figures [K]; NaN where it is absent."""


def require_known(config: SelectionConfig) -> None:
    """Raise ConfigError at the first name in `rank_by` that is no criterion."""
    for name in config.votes:
        if name not in CRITERIA:
            raise ConfigError(f"--rank-by must name a criterion, got {name!r}", did_you_mean(name, CRITERIA))


def choose_voters(pool: Pool, table: Table, config: SelectionConfig) -> Mapping[str, float]:
    """Criterion -> weight: those of `rank_by`, else those that have earned a vote on such training data.

    Raises ConfigError for a name that is no criterion, or that has no figure for any candidate of the pool.
    """
    require_known(config)
    for name in config.votes:
        _require_figures(name, table[name])
    return config.votes or dict.fromkeys(_usual_voters(pool, table), 1.0)


def _usual_voters(pool: Pool, table: Table) -> tuple[str, ...]:
    """The voters without `rank_by`: USUAL, where the study has Gaussian pseudo-anomalies.

    Images have others, and probe AUC takes the place. Where nobody scored pseudo-anomalies: agreement with
    the anchors (SELECTION 2, recommended start). With fewer than two anchors a candidate might have none but
    its own detector to be compared with, so consensus takes their place.
    """
    if has_figures(table["log_pseudo_discrepancy"]):
        return USUAL
    if has_figures(table["probe_auc"]):
        return ("probe_auc", "tail_shape")
    agreement = "anchor_agreement" if len(pool.evidence.anchors) >= 2 else "consensus"
    return (agreement, "tail_shape")


def has_figures(values_K: npt.NDArray[np.float64]) -> bool:
    """Whether the criterion says something about at least one candidate."""
    return not bool(np.isnan(values_K).all())


def _require_figures(name: str, values_K: npt.NDArray[np.float64]) -> None:
    if not has_figures(values_K):
        needs = ", ".join(CRITERIA[name].needs)
        raise ConfigError(
            f"a criterion of --rank-by must have figures in this study, got {name!r}, which is absent for "
            f"all {len(values_K)} candidates (it needs {needs})",
            "leave it out; finished trials are kept, and --resume ranks them again",
        )
