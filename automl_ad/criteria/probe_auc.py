"""Criterion: how well a candidate tells pseudo-anomalies from the normal rows of the panel.

Shapes: K candidates, G generators, N panel rows, P probe rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.criterion import Direction, Need
from automl_ad.criteria.evidence import Evidence
from automl_ad.criteria.normal_rows import normal_rows
from automl_ad.criteria.ranks import aucs
from automl_ad.results import Candidate

LEAST_MEDIAN, MOST_MEDIAN = 0.52, 0.999
"""SELECTION 2: a generator that half of the pool does not see, or that half sees completely, ranks nobody."""

ProbeScores = Mapping[str, npt.NDArray[np.floating]]


class ProbeAuc:
    """Mean AUC of normal rows against each kind of pseudo-anomaly, useless generators left out.

    One strong generator is as bad as chance (a single Gaussian: regret 8.02 against 7.94 of a random pick,
    Wilkinghoff and Tan 2026); the mean over different ones is what carries over to real anomalies. The rows
    that the anchors suspect do not count as normal (`normal_rows`).
    """

    name: ClassVar[str] = "probe_auc"
    direction: ClassVar[Direction] = "max"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    needs: ClassVar[tuple[Need, ...]] = ("probes",)
    cost: ClassVar[str] = "K (N + G P) log N"
    source: ClassVar[str] = "SELECTION 2, P; Wilkinghoff and Tan 2026"
    failure_mode: ClassVar[str] = (
        "contaminated training data: a detector that has fitted the anomalies looks fine"
    )

    def __call__(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """[K]; NaN without the probes that the others have, or when every generator is useless."""
        auc_KG = auc_table(evidence)
        is_useful_G = np.array([_is_useful(auc_K) for auc_K in auc_KG.T], dtype=np.bool_)
        if not is_useful_G.any():
            return np.full(len(evidence.candidates), np.nan)
        values_K: npt.NDArray[np.float64] = auc_KG[:, is_useful_G].mean(axis=1)
        return values_K


def probe_auc_of(panel_scores_N: npt.NDArray[np.floating], probe_scores: ProbeScores) -> float:
    """Mean AUC over all generators: what the sampler maximises when training data are `clean`.

    Needs no pool, so no generator is left out. NaN without probes or when a score is not finite.
    """
    auc_G = _auc_row(panel_scores_N, probe_scores, list(probe_scores))
    return float(auc_G.mean()) if auc_G.size else float("nan")


def auc_table(evidence: Evidence) -> npt.NDArray[np.float64]:
    """[K, G] AUC of each candidate on each generator of the pool; NaN where it lacks the generator."""
    generators = _generators(evidence.candidates)
    return np.stack(
        [
            _auc_row(c.panel_scores[is_normal_N], c.probe_scores, generators)
            for c, is_normal_N in zip(evidence.candidates, normal_rows(evidence), strict=True)
        ]
    )


def _generators(candidates: Sequence[Candidate]) -> list[str]:
    """Those that at least half of the candidates with any probes have scored.

    A candidate without probes, or one that stands alone with a generator, takes nothing from the others.
    """
    counts = Counter(name for c in candidates for name in c.probe_scores)
    n_probed = sum(bool(c.probe_scores) for c in candidates)
    return sorted(name for name, count in counts.items() if 2 * count >= n_probed)


def _is_useful(auc_K: npt.NDArray[np.float64]) -> bool:
    seen = auc_K[~np.isnan(auc_K)]
    return bool(len(seen) and LEAST_MEDIAN <= np.median(seen) <= MOST_MEDIAN)


def _auc_row(
    normal_N: npt.NDArray[np.floating], probe_scores: ProbeScores, generators: Sequence[str]
) -> npt.NDArray[np.float64]:
    """[G] NaN where probes are missing, or where they or the normal rows are not finite."""
    auc_G = np.full(len(generators), np.nan)
    usable = [
        g
        for g, name in enumerate(generators)
        if name in probe_scores and np.isfinite(probe_scores[name]).all()
    ]
    if usable and np.isfinite(normal_N).all():
        auc_G[usable] = aucs(normal_N, [probe_scores[generators[g]] for g in usable])
    return auc_G
