"""The outcomes of one regime as a matrix: seeds averaged first, then related datasets.

Regimes are never pooled (SELECTION 4). A row counts for a dataset when every seed has it, and for a family
when every dataset has it: otherwise the mean of one row would be over other searches than the next one's.
Shapes: G groups (a dataset, or a family of related ones), R rows, C criteria.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from automl_ad.evaluation.bench.measured import Float64Array
from automl_ad.evaluation.bench.records import BenchReport, DatasetOutcome

Figures = Mapping[str, Float64Array]
"""Name -> figures of one search, or of the mean of several: [2] AUROC and AP of a row, [] of a criterion."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RegimeTable:
    """What is tested: one figure per group and row."""

    regime: str
    groups: tuple[str, ...]
    rows: tuple[str, ...]
    """In the order in which the outcomes name them."""
    auroc_GR: Float64Array
    """NaN where the group has no such row."""
    average_precision_GR: Float64Array
    criteria: tuple[str, ...]
    spearman_GC: Float64Array
    """Each criterion's correlation with AUROC over the candidates; NaN where it had none."""
    n_datasets: int
    n_outcomes: int

    def auroc(self, row: str) -> Float64Array:
        """[G], all NaN for a row that the regime does not have."""
        if row not in self.rows:
            return np.full(len(self.groups), np.nan)
        return self.auroc_GR[:, self.rows.index(row)]


def regime_tables(report: BenchReport) -> list[RegimeTable]:
    """One table per regime: clean, natural, then injected by rising share."""
    by_regime = _split(report.outcomes, lambda outcome: outcome.regime)
    return [regime_table(regime, by_regime[regime]) for regime in sorted(by_regime, key=_place)]


def regime_table(regime: str, outcomes: Sequence[DatasetOutcome]) -> RegimeTable:
    """The table of outcomes that share a regime."""
    families = _split(outcomes, lambda outcome: outcome.family)
    rows = [_family_means(own, _row_figures) for own in families.values()]
    criteria = [_family_means(own, _criterion_figures) for own in families.values()]
    row_names = _names(outcome.rows for outcome in outcomes)
    criterion_names = _names(outcome.criteria for outcome in outcomes)
    metrics_GRM = np.array([[group.get(name, np.full(2, np.nan)) for name in row_names] for group in rows])
    metrics_GRM = metrics_GRM.reshape(len(rows), len(row_names), 2)
    spearman_GC = [[float(group.get(name, np.nan)) for name in criterion_names] for group in criteria]
    return RegimeTable(
        regime=regime,
        groups=tuple(families),
        rows=row_names,
        auroc_GR=metrics_GRM[:, :, 0],
        average_precision_GR=metrics_GRM[:, :, 1],
        criteria=criterion_names,
        spearman_GC=np.array(spearman_GC).reshape(len(criteria), len(criterion_names)),
        n_datasets=len({outcome.dataset for outcome in outcomes}),
        n_outcomes=len(outcomes),
    )


def _family_means(
    outcomes: Sequence[DatasetOutcome], figures: Callable[[DatasetOutcome], Figures]
) -> Figures:
    """Means over the family's datasets of the means over their seeds."""
    datasets = _split(outcomes, lambda outcome: outcome.dataset)
    return _shared_means([_shared_means([figures(outcome) for outcome in own]) for own in datasets.values()])


def _row_figures(outcome: DatasetOutcome) -> Figures:
    return {name: np.array([m.auroc, m.average_precision]) for name, m in outcome.rows.items()}


def _criterion_figures(outcome: DatasetOutcome) -> Figures:
    return {name: np.asarray(value, dtype=np.float64) for name, value in outcome.criteria.items()}


def _shared_means(parts: Sequence[Figures]) -> Figures:
    """The mean of each name that every part has."""
    shared = [name for name in parts[0] if all(name in part for part in parts)]
    return {name: np.mean([part[name] for part in parts], axis=0) for name in shared}


def _split(
    outcomes: Iterable[DatasetOutcome], key: Callable[[DatasetOutcome], str]
) -> dict[str, list[DatasetOutcome]]:
    found: dict[str, list[DatasetOutcome]] = defaultdict(list)
    for outcome in outcomes:
        found[key(outcome)].append(outcome)
    return dict(found)


def _names(mappings: Iterable[Mapping[str, object]]) -> tuple[str, ...]:
    """Every key once, in order of appearance."""
    return tuple(dict.fromkeys(name for mapping in mappings for name in mapping))


def _place(regime: str) -> tuple[str, float]:
    """Sorts `injected-5` in front of `injected-10`."""
    kind, _, share = regime.partition("-")
    return kind, float(share) if share else 0.0
