"""Why a candidate may not be selected, whatever the criteria say of it (DESIGN D6).

Shapes: N panel rows, S members, E epochs.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.loss_stability import phase_losses
from automl_ad.results import Candidate, TrialResult

MIN_LEVELS = 20
"""Fewer score levels than this, and an average level holds more than 5 % of the rows: nothing can be said of
the top 5 %, where the criteria look and where alarms are raised."""
MIN_LATENT_VARIANCE = 1e-6
MIN_LATENT_SHARE = 1e-3
MIN_WEIGHT_CHANGE = 1e-6
MAX_LOSS_GROWTH = 5.0
"""A loss that ends at more than five times its start has diverged; noise of single epochs stays far below."""
MIN_MEMBER_AGREEMENT = 0.3


def veto(candidate: Candidate, result: TrialResult, *, typical_levels: float = math.inf) -> str:
    """The first reason against the candidate, or an empty string.

    `typical_levels` is how many score levels other candidates tell apart on the panel. Where rows repeat,
    nobody can tell many apart, so a candidate needs half of that or MIN_LEVELS, whichever is less.
    """
    return (
        _score_fault(candidate)
        or _level_fault(candidate, typical_levels)
        or _latent_fault(candidate)
        or _loss_fault(candidate, result)
        or _member_fault(candidate)
    )


def n_levels(scores_N: npt.NDArray[np.floating]) -> int:
    """Number of distinct float32 scores."""
    return len(np.unique(scores_N.astype(np.float32)))


def _score_fault(candidate: Candidate) -> str:
    for rows, scores in (("panel", candidate.panel_scores), *candidate.probe_scores.items()):
        n_bad = int((~np.isfinite(scores)).sum())
        if n_bad:
            return f"its scores are not finite: {n_bad} of {len(scores)} {rows} rows"
    return ""


def _level_fault(candidate: Candidate, typical_levels: float) -> str:
    levels = n_levels(candidate.panel_scores)
    if levels == 1:
        return f"its scores are constant: all {len(candidate.panel_scores)} panel rows score the same"
    needed = min(MIN_LEVELS, typical_levels / 2)
    if levels < needed:
        return (
            f"its scores tell too few rows apart: {levels} distinct values on {len(candidate.panel_scores)} "
            f"panel rows and at least {math.ceil(needed)} are needed to speak of the top 5 %"
        )
    return ""


def _latent_fault(candidate: Candidate) -> str:
    variance = candidate.diagnostics.get("latent_variance", math.inf)
    start = candidate.diagnostics.get("latent_variance_start", 0.0)
    if not variance >= max(MIN_LATENT_VARIANCE, MIN_LATENT_SHARE * start):
        return f"its latent space collapsed: variance {variance:.2g} after training and {start:.2g} before"
    moved = candidate.diagnostics.get("weight_change", math.inf)
    if not moved >= MIN_WEIGHT_CHANGE:
        return f"its weights never moved: relative change {moved:.2g} over the whole training"
    return ""


def _loss_fault(candidate: Candidate, result: TrialResult) -> str:
    losses_SE = phase_losses(result, candidate.key.checkpoint)
    if not losses_SE.size:
        return ""
    alive_S = np.isfinite(losses_SE[:, -1])
    if not alive_S.any():
        return f"its loss diverged: not finite at epoch {candidate.key.checkpoint}"
    first, last = losses_SE[alive_S, 0].mean(), losses_SE[alive_S, -1].mean()
    # A loss may be negative (a log-likelihood): growth counts from the first value, in units of its size.
    if last > first + (MAX_LOSS_GROWTH - 1) * abs(first):
        return f"its loss diverged: from {first:.3g} to {last:.3g} at epoch {candidate.key.checkpoint}"
    return ""


def _member_fault(candidate: Candidate) -> str:
    agreement = candidate.member_agreement
    if agreement is not None and not agreement >= MIN_MEMBER_AGREEMENT:
        return (
            f"its members disagree: mean Spearman correlation {agreement:.2f} between initialisations "
            f"and at least {MIN_MEMBER_AGREEMENT} is needed"
        )
    return ""
