"""Everything that is said of one regime: means, gains, comparisons, criteria, ranks and bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from automl_ad.evaluation.bench.bars import Bar, bars
from automl_ad.evaluation.bench.bootstrap import mean_interval
from automl_ad.evaluation.bench.differences import Comparison, compare_with_all
from automl_ad.evaluation.bench.gains import Gain, gain_of
from automl_ad.evaluation.bench.grouping import RegimeTable, regime_tables
from automl_ad.evaluation.bench.measured import Float64Array, Interval, Measured, absent, measured
from automl_ad.evaluation.bench.ranks import RankComparison, compare_ranks, headline_rows
from automl_ad.evaluation.bench.records import BEST, OUTPUT, BenchReport

COMPARED = (OUTPUT, BEST)
"""Each is compared with every other row."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSummary:
    """One row over the groups that have it."""

    name: str
    n_groups: int
    auroc: Measured
    average_precision: Measured
    gain: Gain


@dataclass(frozen=True, kw_only=True, slots=True)
class CriterionSummary:
    """How well one criterion orders candidates, over the groups where it says anything."""

    name: str
    n_groups: int
    spearman: Measured
    interval: Interval | None


@dataclass(frozen=True, kw_only=True, slots=True)
class RegimeStatistics:
    """What was found in one regime."""

    regime: str
    groups: tuple[str, ...]
    n_datasets: int
    n_outcomes: int
    """Searches: datasets x seeds."""
    rows: tuple[RowSummary, ...]
    """By falling AUROC."""
    comparisons: Mapping[str, tuple[Comparison, ...]]
    """Of COMPARED, those that the regime has -> against every other row."""
    criteria: tuple[CriterionSummary, ...]
    """By falling correlation."""
    ranks: RankComparison
    bars: tuple[Bar, ...]
    """Of SELECTION 5; none in injected regimes."""

    def comparison(self, row: str, other: str) -> Comparison | None:
        """The row against the other; None where they are not compared."""
        return next((c for c in self.comparisons.get(row, ()) if c.other == other), None)


def bench_statistics(report: BenchReport) -> list[RegimeStatistics]:
    """One per regime: clean, natural, then injected by rising share."""
    return [regime_statistics(table) for table in regime_tables(report)]


def regime_statistics(table: RegimeTable) -> RegimeStatistics:
    """All figures of one regime; what cannot be given says why."""
    rows = [_row_summary(table, name) for name in table.rows]
    criteria = [_criterion_summary(name, table.spearman_GC[:, i]) for i, name in enumerate(table.criteria)]
    return RegimeStatistics(
        regime=table.regime,
        groups=table.groups,
        n_datasets=table.n_datasets,
        n_outcomes=table.n_outcomes,
        rows=tuple(sorted(rows, key=lambda row: _falling(row.auroc))),
        comparisons={row: tuple(compare_with_all(table, row)) for row in COMPARED if row in table.rows},
        criteria=tuple(sorted(criteria, key=lambda criterion: _falling(criterion.spearman))),
        ranks=compare_ranks(table, headline_rows(table)),
        bars=tuple(bars(table)),
    )


def _row_summary(table: RegimeTable, name: str) -> RowSummary:
    column = table.rows.index(name)
    return RowSummary(
        name=name,
        n_groups=int(np.isfinite(table.auroc_GR[:, column]).sum()),
        auroc=_mean(table.auroc_GR[:, column]),
        average_precision=_mean(table.average_precision_GR[:, column]),
        gain=gain_of(table, name),
    )


def _criterion_summary(name: str, spearman_G: Float64Array) -> CriterionSummary:
    finite_G = spearman_G[np.isfinite(spearman_G)]
    return CriterionSummary(
        name=name, n_groups=len(finite_G), spearman=_mean(spearman_G), interval=mean_interval(finite_G)
    )


def _mean(values_G: Float64Array) -> Measured:
    """Over the groups that have a value."""
    finite_G = values_G[np.isfinite(values_G)]
    return measured(finite_G.mean()) if len(finite_G) else absent("no dataset has it with every seed")


def _falling(figure: Measured) -> float:
    return np.inf if figure.value is None else -figure.value
