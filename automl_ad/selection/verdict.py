"""At most six plain sentences about a selection, each with its figures.

Who leads; who is shipped instead; which proven criteria agree; how baselines stand; how sure the first
place is; what the output is worth. A criterion that was not shown to be better than chance is never named
as support.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from automl_ad.criteria import CRITERIA
from automl_ad.results import BaselineFinding, CriterionFinding
from automl_ad.selection.comparison import Comparison
from automl_ad.selection.findings import Findings
from automl_ad.selection.gains import Gain
from automl_ad.selection.output import Output
from automl_ad.selection.pool import Pool
from automl_ad.selection.ranking import Ranking

GAIN_MEANINGS = {
    "consensus": "agreement with the other detectors",
    "tail": "log sharpness of the tail",
    "probe_auc": "AUC on pseudo-anomalies",
}
SETTLED, LIKELY = 0.9, 0.5
"""Shares of the resamples from which a first place is called so: at LIKELY it is the leader's more often than
everybody else's together."""


def verdict(pool: Pool, ranking: Ranking, findings: Findings, output: Output, comparison: Comparison) -> str:
    """Which candidate leads and by what, how it stands to baselines, and what the output is worth."""
    sentences = [
        _leader(pool, ranking, findings),
        _first_to_ship(pool, ranking),
        _second_opinions(findings),
        _baselines(pool, ranking, findings),
        _first_place(ranking, findings),
        _outcome(pool, output, comparison),
    ]
    return " ".join(filter(None, sentences))


def _leader(pool: Pool, ranking: Ranking, findings: Findings) -> str:
    candidate = pool.evidence.candidates[ranking.order[0]]
    votes = _listed([_spoken(name) for name in ranking.voters])
    clauses = [f"{candidate.detector} {candidate.key} leads {len(ranking.order)} candidates by {votes}"]
    if "consensus" in ranking.voters and len(pool.evidence.anchors) < 2:
        clauses.append("consensus voted because fewer than two anchors could")
    if not any(finding.has_voted and finding.is_proven for finding in findings.criteria):
        clauses.append("no vote came from a criterion that is known to be better than chance")
    return "; ".join(clauses) + "."


def _first_to_ship(pool: Pool, ranking: Ranking) -> str:
    """Who is shipped instead, when the leader cannot be."""
    ranked = [pool.evidence.candidates[k] for k in ranking.order]
    first = _first_exportable(pool, ranking)
    if first == 0:
        return ""
    return (
        f"It is compared only, since loading an artifact executes no foreign code; the best that can be "
        f"exported is {ranked[first].detector} {ranked[first].key}, at rank {first + 1}."
    )


def _first_exportable(pool: Pool, ranking: Ranking) -> int:
    return next(i for i, k in enumerate(ranking.order) if pool.evidence.candidates[k].is_exportable)


def _second_opinions(findings: Findings) -> str:
    """The proven criteria that did not vote, for and against."""
    others = [f for f in findings.criteria if f.is_proven and not f.has_voted]
    for_it, against = ([f for f in others if f.agrees is agrees] for agrees in (True, False))
    clauses = [
        f"{_named(group)} {verb}"
        for group, verb in (
            (for_it, "agrees" if len(for_it) == 1 else "agree"),
            (against, "does not" if len(against) == 1 else "do not"),
        )
        if group
    ]
    return f"Of the criteria without a vote, {'; '.join(clauses)}." if clauses else ""


def _named(group: Sequence[CriterionFinding]) -> str:
    """The criteria with their places; several that look at nothing but the pool's agreement err together."""
    names = _listed([f"{_spoken(f.criterion)} ({_place(f)})" for f in group])
    is_one_view = len(group) > 1 and all(CRITERIA[f.criterion].needs == ("pool",) for f in group)
    return f"{names}, readings of one pool," if is_one_view else names


def _place(finding: CriterionFinding) -> str:
    """Where the best candidate stands by the criterion."""
    share = finding.best_beats or 0.0
    if share < 0.5:
        return "lower half"
    place = "first" if share == 1 else f"top {max(1, math.ceil(round(100 * (1 - share), 6)))} %"
    return place if finding.agrees else f"{place}, but rank correlation {finding.correlation:+.2f}"


def _baselines(pool: Pool, ranking: Ranking, findings: Findings) -> str:
    """The best baseline row in detail, the others as a number."""
    place = _first_exportable(pool, ranking)
    if pool.origin(pool.evidence.candidates[ranking.order[place]]) == "baseline":
        which = "that can be exported " if place else ""
        return f"It is a baseline row: no searched candidate {which}ranks above it."
    if not findings.baselines:
        return "No baseline row could be compared with it."
    first, telling = findings.baselines[0], findings.telling
    n_leads = sum(_n_named(row.ahead, telling) > _n_named(row.behind, telling) for row in findings.baselines)
    return (
        f"The best baseline row is {first.detector}, at rank {first.rank}: {_against(first, telling)}; over "
        f"{n_leads} of {len(findings.baselines)} baseline rows it is ahead in more criteria than behind."
    )


def _against(row: BaselineFinding, telling: Collection[str]) -> str:
    """By how many of the criteria that count the best candidate is ahead of the row, and behind in which."""
    n_compared = _n_named((*row.ahead, *row.behind, *row.level), telling)
    if not n_compared:
        return "no criterion that counts compares the two"
    behind = [_spoken(name) for name in row.behind if name in telling]
    lead = f"it is behind in {_listed(behind)} and ahead" if behind else "it is ahead"
    return f"{lead} in {_n_named(row.ahead, telling)} of {n_compared} criteria that count"


def _n_named(names: Sequence[str], telling: Collection[str]) -> int:
    return sum(name in telling for name in names)


def _first_place(ranking: Ranking, findings: Findings) -> str:
    """How often the leader leads again when the panel's rows are drawn anew."""
    if len(ranking.order) == 1:
        return ""
    share = findings.best_stays_first
    word = "settled" if share >= SETTLED else "likely, not settled" if share >= LIKELY else "not settled"
    return f"The first place is {word}: it stays in {100 * share:.0f} % of resamples of the panel."


def _outcome(pool: Pool, output: Output, comparison: Comparison) -> str:
    if not pool.anchors:
        return "No anchor succeeded, so nothing shows whether the output is better than a plain baseline."
    if not comparison.gains:
        return "Nothing but baselines ranked high enough, so the anchors' average is the output."
    evidence = _listed([f"{GAIN_MEANINGS[name]} {_figures(gain)}" for name, gain in comparison.gains.items()])
    if comparison.is_better:
        beside = _listed([anchor.detector for anchor in output.anchors]) if output.anchors else ""
        joined = (
            f"joins {len(output.chosen)} candidates with {beside}" if beside else "is what was chosen alone"
        )
        return f"The output {joined} and is judged better than the anchors' average: {evidence}."
    return f"The output is the average of the anchors: nothing beats it by more than noise ({evidence})."


def _figures(gain: Gain) -> str:
    return f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


def _spoken(criterion: str) -> str:
    return criterion.replace("_", " ")


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
