"""The pool of a selection: the candidates that may be shipped, and why the others may not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automl_ad.criteria import Evidence, anchor_candidates, anchors_of, n_levels, veto
from automl_ad.errors import NoTrialSucceeded
from automl_ad.results import Candidate, Origin, TrialResult

NOT_KEPT = "its weights were not kept: only the last checkpoint and the two best by objective are"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pool:
    """What can be selected from."""

    evidence: Evidence
    vetoed: tuple[tuple[Candidate, str], ...]
    """In key order, each with its reason."""
    anchors: Mapping[str, Candidate]
    """Anchor detector -> its candidate, those that may be shipped."""

    def origin(self, candidate: Candidate) -> Origin:
        """Where the candidate's configuration came from."""
        return self.evidence.results[candidate.key.trial].config.origin


def gather(results: Sequence[TrialResult], *, exclude: Collection[str] = ()) -> Pool:
    """The pool of all results but those of the detectors in `exclude`, which are no anchors either.

    Raises NoTrialSucceeded when no candidate is left that may be shipped.
    """
    results = [result for result in results if result.config.detector not in exclude]
    by_trial = {result.trial: result for result in results}
    candidates = sorted((c for result in results for c in result.candidates), key=lambda c: c.key)
    levels = [n_levels(c.panel_scores) for c in candidates]
    typical_levels = float(np.median(levels)) if levels else 0.0
    reasons = [_reason(c, by_trial[c.key.trial], typical_levels) for c in candidates]
    usable = [c for c, reason in zip(candidates, reasons, strict=True) if not reason]
    if not any(candidate.is_exportable for candidate in usable):
        raise NoTrialSucceeded(*_nothing_left(results, reasons))
    keys = {c.key for c in usable}
    return Pool(
        evidence=Evidence.of(usable, results, anchors_of(results)),
        vetoed=tuple((c, reason) for c, reason in zip(candidates, reasons, strict=True) if reason),
        anchors={name: c for name, c in anchor_candidates(results).items() if c.key in keys},
    )


def _reason(candidate: Candidate, result: TrialResult, typical_levels: float) -> str:
    """Why it may not be shipped; the veto comes first, for weights are dropped by objective alone."""
    is_kept = candidate.key.checkpoint in (*result.weights, *result.kept_checkpoints)
    is_usable = is_kept or not candidate.is_exportable
    return veto(candidate, result, typical_levels=typical_levels) or ("" if is_usable else NOT_KEPT)


def _nothing_left(results: Sequence[TrialResult], reasons: Sequence[str]) -> tuple[str, str]:
    failures = [result.reason for result in results if result.state == "failed"]
    counts = Counter([*failures, *reasons]).most_common(3)
    commonest = "; ".join(f"{reason} ({count} times)" for reason, count in counts) or "no trial ran"
    return (
        f"at least one trial must end with usable scores, got none of {len(results)}: {commonest}",
        "look at the rows: constant or duplicated columns leave nothing to detect",
    )
