"""What every criterion says of the best candidate, and how best and output stand to each baseline row.

Shapes: K candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_ad.criteria import CRITERIA
from automl_ad.criteria.ranks import spearman
from automl_ad.results import BaselineFinding, Candidate, CriterionFinding
from automl_ad.selection.gains import figures_of
from automl_ad.selection.pool import Pool
from automl_ad.selection.ranking import Ranking
from automl_ad.selection.rivals import gains_over
from automl_ad.selection.voters import Table

Float64Array = npt.NDArray[np.float64]

PROVEN = frozenset(
    {
        "anchor_agreement",
        "probe_auc",
        "pseudo_discrepancy",
        "log_pseudo_discrepancy",
        "excess_mass",
        "mass_volume",
        "consensus",
        "iterated_consensus",
        "model_centrality",
        "hits",
    }
)
"""The first by each alone goes at least .4 of the way from the mean to the best trial, in both regimes of the
public tables (BENCHMARKS). Tail shape votes and is not among them: alone it is worth little. Whatever is not
named here speaks for nobody."""
MIN_COMPARED = 3
"""Two candidates always correlate by 1 or -1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """All that is said of the best candidate."""

    criteria: tuple[CriterionFinding, ...]
    """In the order of the registry, each once."""
    baselines: tuple[BaselineFinding, ...]
    """By rank, without the best candidate itself."""
    best_stays_first: float
    """See `share_best_stays`."""

    @property
    def telling(self) -> frozenset[str]:
        """The criteria that count for or against a candidate: those that voted and those proven."""
        return frozenset(f.criterion for f in self.criteria if f.has_voted or f.is_proven)


def criterion_findings(table: Table, ranking: Ranking, best: int) -> tuple[CriterionFinding, ...]:
    """How far each criterion of the table agrees with the ranking, and with its `best`, a position."""
    return tuple(
        CriterionFinding(
            criterion=name,
            has_voted=name in ranking.voters,
            is_proven=name in PROVEN,
            n_candidates=int((~np.isnan(merits_K)).sum()),
            correlation=_correlation(merits_K, ranking.aggregate_K),
            best_beats=_share_beaten(merits_K, best),
        )
        for name, merits_K in _merits(table).items()
    )


def baseline_findings(
    pool: Pool, table: Table, ranking: Ranking, best: int, parts: Sequence[Candidate], *, seed: int
) -> tuple[BaselineFinding, ...]:
    """The best candidate, a position, and the output of `parts` against each other baseline row.

    The best is compared by every criterion, the output by what is fair to it: see `rivals`.
    """
    rows = [(rank, position) for rank, position in _baselines(pool, ranking) if position != best]
    gains = gains_over(parts, [position for _, position in rows], pool.evidence, seed=seed)
    merits = _merits(table)
    return tuple(
        BaselineFinding(
            key=pool.evidence.candidates[position].key,
            detector=pool.evidence.candidates[position].detector,
            rank=rank,
            **_stands(merits, best, position),
            output_gains=figures_of(gain),
        )
        for (rank, position), gain in zip(rows, gains, strict=True)
    )


def _merits(table: Table) -> dict[str, Float64Array]:
    """Criterion -> [K] its figures with more being better, to six digits as in the vote."""
    signs = {"max": 1, "min": -1}
    return {name: signs[CRITERIA[name].direction] * values_K.round(6) for name, values_K in table.items()}


def _baselines(pool: Pool, ranking: Ranking) -> Iterable[tuple[int, int]]:
    """(rank, position) of the baseline rows, best first."""
    for rank, position in enumerate(ranking.order, start=1):
        if pool.origin(pool.evidence.candidates[position]) == "baseline":
            yield rank, position


def _correlation(merits_K: Float64Array, aggregate_K: Float64Array) -> float | None:
    """Spearman's correlation over the candidates with a figure; None for a constant or for too few."""
    is_present_K = ~np.isnan(merits_K)
    if is_present_K.sum() < MIN_COMPARED:
        return None
    value = spearman(merits_K[is_present_K], aggregate_K[is_present_K])
    return None if np.isnan(value) else value


def _share_beaten(merits_K: Float64Array, position: int) -> float | None:
    """Share of the other candidates with a figure that are beaten, a tie counting half."""
    others = np.delete(merits_K, position)
    others = others[~np.isnan(others)]
    if np.isnan(merits_K[position]) or not others.size:
        return None
    return float((others < merits_K[position]).mean() + (others == merits_K[position]).mean() / 2)


def _stands(merits: Mapping[str, Float64Array], one: int, other: int) -> dict[str, tuple[str, ...]]:
    """The criteria by which the one is ahead of the other, behind, level, and those absent for either."""
    stands: dict[str, list[str]] = {"ahead": [], "behind": [], "level": [], "absent": []}
    for name, merits_K in merits.items():
        first, second = merits_K[one], merits_K[other]
        how = "ahead" if first > second else "behind" if first < second else "level"
        stands["absent" if np.isnan(first) or np.isnan(second) else how].append(name)
    return {how: tuple(names) for how, names in stands.items()}
