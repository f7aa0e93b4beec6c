"""The anchors: plain, strong baselines whose average every candidate is compared with.

SELECTION 2 names them: isolation forest with 300 trees, kNN with k = 50, one Gaussian, the PCA residual and
a kernel density estimate, all on z-scored columns. The other baselines are judged, but do not judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from automl_ad.results import Candidate, TrialResult

ANCHOR_DETECTORS = ("isolation_forest", "knn", "gmm", "pca", "kde")


def anchors_of(results: Sequence[TrialResult]) -> dict[str, npt.NDArray[np.float64]]:
    """Anchor detector -> its panel scores [N], in the order of ANCHOR_DETECTORS.

    Failed baselines, and those whose scores are not finite or constant, are missing.
    """
    return {name: c.panel_scores.astype(np.float64) for name, c in anchor_candidates(results).items()}


def anchor_candidates(results: Sequence[TrialResult]) -> dict[str, Candidate]:
    """Anchor detector -> the native score of its baseline trial: the first candidate of the lowest trial."""
    baselines = sorted((r for r in results if r.config.origin == "baseline"), key=lambda r: r.trial)
    found: dict[str, Candidate] = {}
    for result in baselines:
        if result.candidates and _says_something(result.candidates[0]):
            found.setdefault(result.config.detector, result.candidates[0])
    return {name: found[name] for name in ANCHOR_DETECTORS if name in found}


def mean_anchor_ranks(
    own: str | None, names: Iterable[str], ranks_AN: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64] | None:
    """[N] mean normalised ranks of the named anchors, `own` left out; None when no anchor is left."""
    is_other_A = np.array([name != own for name in names], dtype=np.bool_)
    if not is_other_A.any():
        return None
    normalised_AN = ranks_AN[is_other_A].astype(np.float64) / ranks_AN.shape[1]
    return np.asarray(normalised_AN.mean(axis=0))


def _says_something(candidate: Candidate) -> bool:
    scores_N = candidate.panel_scores
    return bool(np.isfinite(scores_N).all() and np.ptp(scores_N) > 0)
