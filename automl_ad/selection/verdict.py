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
    sentences = [
        _leader(pool, table, ranking),
        _first_to_ship(pool, ranking),
        _baselines(pool, ranking),
        _outcome(pool, chosen, comparison),
    ]
    return " ".join(filter(None, sentences))


def _leader(pool: Pool, table: Table, ranking: Ranking) -> str:
    best = ranking.order[0]
    candidate = pool.evidence.candidates[best]
    votes = _listed([_spoken(name) for name in ranking.voters])
    clauses = [f"{candidate.detector} {candidate.key} leads {len(ranking.order)} candidates by {votes}"]
    others = [name for name in table if name not in ranking.voters and not np.isnan(table[name][best])]
    for half, names in (
        ("better", [_spoken(name) for name in others if _is_in_better_half(table, name, best)]),
        ("lower", [_spoken(name) for name in others if not _is_in_better_half(table, name, best)]),
    ):
        if names:
            clauses.append(f"in the {half} half by {_listed(names)}")
    if "consensus" in ranking.voters:
        clauses.append("consensus voted because fewer than two anchors could")
    return "; ".join(clauses) + "."


def _first_to_ship(pool: Pool, ranking: Ranking) -> str:
    """Who is shipped instead, when the leader cannot be."""
    ranked = [pool.evidence.candidates[k] for k in ranking.order]
    first = next(i for i, candidate in enumerate(ranked) if candidate.is_exportable)
    if first == 0:
        return ""
    return (
        f"It is compared only, since loading an artifact executes no foreign code; the best that can be "
        f"exported is {ranked[first].detector} {ranked[first].key}, at rank {first + 1}."
    )


def _is_in_better_half(table: Table, name: str, position: int) -> bool:
    sign = 1 if CRITERIA[name].direction == "max" else -1
    return bool(sign * table[name][position] >= sign * np.nanmedian(table[name]))


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
    if not comparison.gains:
        return "Nothing but baselines ranked high enough to join the anchors, so their average is the output."
    evidence = _listed([f"{GAIN_MEANINGS[name]} {_figures(gain)}" for name, gain in comparison.gains.items()])
    if comparison.is_better:
        return (
            f"The output joins {len(chosen)} candidates with {len(pool.anchors)} anchors and is judged "
            f"better than the anchors alone: {evidence}."
        )
    return f"The output is the average of the anchors: nothing beats it by more than noise ({evidence})."


def _figures(gain: Gain) -> str:
    return f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


def _spoken(criterion: str) -> str:
    return criterion.replace("_", " ")


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
