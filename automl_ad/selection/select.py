"""The story of a selection: gather the pool, rank it, choose an output, ask whether it beats the anchors."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Literal

from automl_ad.config import SearchConfig
from automl_ad.criteria import CRITERIA
from automl_ad.results import Candidate, RankedCandidate, Selection, TrialResult, WeightedPart
from automl_ad.selection.comparison import compare
from automl_ad.selection.findings import Findings, baseline_findings, criterion_findings
from automl_ad.selection.output import choose_output
from automl_ad.selection.pool import Pool
from automl_ad.selection.ranking import Ranking, rank_pool
from automl_ad.selection.stability import share_best_stays
from automl_ad.selection.verdict import verdict
from automl_ad.selection.voters import Table


def select(
    results: Sequence[TrialResult], config: SearchConfig, *, exclude: Collection[str] = ()
) -> Selection:
    """What to ship, with the whole ranking and the evidence for it.

    The same results and seed give the same selection. Detectors in `exclude` are neither candidates nor
    anchors: what is selected without the strongest baselines shows what these are worth. Raises
    NoTrialSucceeded when every trial failed, was vetoed, or lost its weights, and ConfigError when a
    criterion of `rank_by` has no figure.
    """
    pool, table, ranking = rank_pool(results, config, exclude=exclude)
    ranked = [pool.evidence.candidates[position] for position in ranking.order]
    shippable = [candidate for candidate in ranked if candidate.is_exportable]
    output = choose_output(shippable, pool.anchors, config.selection)
    comparison = compare(output, pool, seed=config.seed)
    parts = output.parts if comparison.is_better else tuple(pool.anchors.values())
    findings = _findings(pool, table, ranking, shippable[0], parts, seed=config.seed)
    return Selection(
        ranking=(*_rows(pool, table, ranking), *_vetoed_rows(pool)),
        best=shippable[0].key,
        output=tuple(WeightedPart(key=part.key, weight=1 / len(parts)) for part in parts),
        output_kind=_kind(parts, config, is_better=comparison.is_better),
        is_distinguishable=comparison.is_better,
        verdict=verdict(pool, ranking, findings, output, comparison),
        confidence={"best_stays_first": findings.best_stays_first, **comparison.figures()},
        criteria=findings.criteria,
        baselines=findings.baselines,
    )


def _findings(
    pool: Pool, table: Table, ranking: Ranking, best: Candidate, parts: Sequence[Candidate], *, seed: int
) -> Findings:
    position = pool.evidence.candidates.index(best)
    return Findings(
        criteria=criterion_findings(table, ranking, position),
        baselines=baseline_findings(pool, table, ranking, position, parts, seed=seed),
        best_stays_first=share_best_stays(pool, ranking, seed=seed),
    )


def _kind(
    parts: Sequence[Candidate], config: SearchConfig, *, is_better: bool
) -> Literal["ensemble", "vote", "single", "anchors"]:
    if not is_better:
        return "anchors"
    if len(parts) == 1:
        return "single"
    return "vote" if config.combine == "vote" else "ensemble"


def _rows(pool: Pool, table: Table, ranking: Ranking) -> tuple[RankedCandidate, ...]:
    """The candidates that may be selected, best first."""
    return tuple(
        RankedCandidate(
            key=pool.evidence.candidates[position].key,
            detector=pool.evidence.candidates[position].detector,
            origin=pool.origin(pool.evidence.candidates[position]),
            criteria={name: _present(values_K[position]) for name, values_K in table.items()},
            aggregate=float(ranking.aggregate_K[position]),
        )
        for position in ranking.order
    )


def _vetoed_rows(pool: Pool) -> tuple[RankedCandidate, ...]:
    return tuple(
        RankedCandidate(
            key=candidate.key,
            detector=candidate.detector,
            origin=pool.origin(candidate),
            criteria=dict.fromkeys(CRITERIA),
            aggregate=None,
            veto=reason,
        )
        for candidate, reason in pool.vetoed
    )


def _present(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
