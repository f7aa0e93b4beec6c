"""Two or three plain sentences about a selection.

Shapes: K candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from automl_ad.criteria import CRITERIA
from automl_ad.results import Candidate
from automl_ad.selection.comparison import Comparison, Gain
from automl_ad.selection.pool import Pool
from automl_ad.selection.ranking import Ranking

Table = Mapping[str, npt.NDArray[np.float64]]

GAIN_MEANINGS = {
    "consensus": "agreement with the other detectors",
    "tail": "log sharpness of the tail",
    "probe_auc": "AUC on pseudo-anomalies",
}


def verdict(
    pool: Pool, table: Table, ranking: Ranking, chosen: Sequence[Candidate], comparison: Comparison
) -> str:
    """Which candidate leads and by what, how it stands to baselines, and what the output is worth."""
    sentences = [_leader(pool, table, ranking), _baselines(pool, ranking), _outcome(pool, chosen, comparison)]
    return " ".join(sentences)


def _leader(pool: Pool, table: Table, ranking: Ranking) -> str:
    best = ranking.order[0]
    candidate = pool.evidence.candidates[best]
    agreeing, differing = _opinions(table, ranking, best)
    votes = " and ".join(_spoken(name) for name in ranking.voters)
    sentence = f"{candidate.detector} {candidate.key} leads {len(ranking.order)} candidates by {votes}"
    if agreeing:
        sentence += f"; {_listed(agreeing)} also put it in the better half"
    if differing:
        sentence += (
            f"{', ' if agreeing else '; '}{_listed(differing)} did not"
            if agreeing
            else (f"; {_listed(differing)} put it in the lower half")
        )
    if "consensus" in ranking.voters:
        sentence += "; consensus voted because fewer than two anchors can be compared with"
    return sentence + "."


def _opinions(table: Table, ranking: Ranking, best: int) -> tuple[list[str], list[str]]:
    """Criteria that did not vote: those that put the best candidate above their median, and the others."""
    agreeing, differing = [], []
    for name, values_K in table.items():
        if name in ranking.voters or np.isnan(values_K[best]):
            continue
        sign = 1 if CRITERIA[name].direction == "max" else -1
        is_better = sign * values_K[best] >= sign * np.nanmedian(values_K)
        (agreeing if is_better else differing).append(_spoken(name))
    return agreeing, differing


def _baselines(pool: Pool, ranking: Ranking) -> str:
    is_baseline = [pool.origin(pool.evidence.candidates[k]) == "baseline" for k in ranking.order]
    if not any(is_baseline):
        return "No baseline row could be compared with it."
    if is_baseline[0]:
        return "It is a baseline row: no searched candidate ranks above it."
    first = is_baseline.index(True)
    detector = pool.evidence.candidates[ranking.order[first]].detector
    return f"The best baseline row is {detector}, at rank {first + 1}."


def _outcome(pool: Pool, chosen: Sequence[Candidate], comparison: Comparison) -> str:
    if not pool.anchors:
        return "No anchor succeeded, so nothing shows whether the output is better than a plain baseline."
    evidence = _listed([f"{GAIN_MEANINGS[name]} {_figures(gain)}" for name, gain in comparison.gains.items()])
    if comparison.is_better:
        return (
            f"The output averages {len(chosen)} candidates with {len(pool.anchors)} anchors and beats the "
            f"anchors alone: {evidence}."
        )
    if not comparison.gains:
        return "Nothing but baselines ranked high enough to join the anchors, so their average is the output."
    return f"Nothing beats the average of the {len(pool.anchors)} anchors beyond noise ({evidence}): it is the output."


def _figures(gain: Gain) -> str:
    return f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


def _spoken(criterion: str) -> str:
    return criterion.replace("_", " ")


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
