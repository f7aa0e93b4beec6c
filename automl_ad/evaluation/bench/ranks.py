"""Rows ranked on every dataset, and the difference of mean ranks beyond which two are told apart.

J. Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7 (2006), section 3.2.2:
Friedman's test first, then Nemenyi's critical difference q_alpha sqrt(k (k + 1) / (6 N)).
Shapes: G groups, R rows (the paper's N and k).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from automl_ad.evaluation.bench.grouping import RegimeTable
from automl_ad.evaluation.bench.measured import Float64Array, Measured, absent, measured, too_few
from automl_ad.evaluation.bench.records import DEFAULT_PREFIX, MEAN_TRIAL, ONLY_PREFIX

ALPHA = 0.05
NO_CHOICES = ("oracle ", "median ", "mean ", DEFAULT_PREFIX, ONLY_PREFIX)
"""Beginnings of rows that say something else than what a user would get."""
MIN_ROWS = 3
"""Of Friedman's test; two rows are compared by Wilcoxon's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RankComparison:
    """Mean ranks over the groups, 1 best, best first."""

    mean_ranks: Mapping[str, float]
    n_groups: int
    friedman_p: Measured
    critical_difference: Measured
    cliques: tuple[tuple[str, ...], ...] = ()
    """Longest runs of rows of which no two are told apart, best first."""
    left_out: tuple[str, ...] = ()
    """Headline rows that some group lacks."""


def headline_rows(table: RegimeTable) -> list[str]:
    """The rows a user could choose between, and the mean trial, which is what they must beat.

    No oracle, other average of trials, single criterion, or single detector's defaults.
    """
    return [row for row in table.rows if row == MEAN_TRIAL or not row.startswith(NO_CHOICES)]


def compare_ranks(table: RegimeTable, rows: Sequence[str]) -> RankComparison:
    """The rows that every group has, ranked by AUROC; equal AUROCs share a rank."""
    complete = [row for row in rows if np.isfinite(table.auroc(row)).all()]
    left_out = tuple(row for row in rows if row not in complete)
    n_groups = len(table.groups)
    if not complete:
        nothing = absent("no row is there on every dataset")
        return RankComparison(
            mean_ranks={},
            n_groups=n_groups,
            friedman_p=nothing,
            critical_difference=nothing,
            left_out=left_out,
        )
    auroc_GR = np.stack([table.auroc(row) for row in complete], axis=1)
    mean_ranks_R = rankdata(-auroc_GR, axis=1).mean(axis=0)
    mean_ranks = {complete[i]: float(mean_ranks_R[i]) for i in np.argsort(mean_ranks_R, kind="stable")}
    difference = critical_difference(len(complete), n_groups)
    return RankComparison(
        mean_ranks=mean_ranks,
        n_groups=n_groups,
        friedman_p=friedman_p(auroc_GR),
        critical_difference=difference,
        cliques=() if difference.value is None else cliques(mean_ranks, difference.value),
        left_out=left_out,
    )


def friedman_p(auroc_GR: Float64Array) -> Measured:
    """How likely ranks this unequal are when all rows are equally good."""
    n_groups, n_rows = auroc_GR.shape
    if reason := _too_little(n_rows, n_groups):
        return absent(reason)
    if (auroc_GR == auroc_GR[:, :1]).all():
        return absent("the rows are equal on every dataset")
    return measured(friedmanchisquare(*auroc_GR.T).pvalue)


def critical_difference(n_rows: int, n_groups: int) -> Measured:
    """Nemenyi's, at .05; q is the studentized range over sqrt(2).

    >>> str(critical_difference(3, 10))
    '1.048'
    """
    if reason := _too_little(n_rows, n_groups):
        return absent(reason)
    q = studentized_range.ppf(1 - ALPHA, n_rows, math.inf) / math.sqrt(2)
    return measured(q * math.sqrt(n_rows * (n_rows + 1) / (6 * n_groups)))


def cliques(mean_ranks: Mapping[str, float], difference: float) -> tuple[tuple[str, ...], ...]:
    """Runs of at least two rows within the difference, none inside another; the ranks are sorted.

    >>> cliques({"a": 1.0, "b": 1.5, "c": 2.2, "d": 4.0}, 1.0)
    (('a', 'b'), ('b', 'c'))
    """
    names, ranks = list(mean_ranks), list(mean_ranks.values())
    found: list[tuple[str, ...]] = []
    furthest = 0
    for first, rank in enumerate(ranks):
        end = int(np.searchsorted(ranks, rank + difference, side="left"))
        if end > max(furthest, first + 1):
            found.append(tuple(names[first:end]))
            furthest = end
    return tuple(found)


def _too_little(n_rows: int, n_groups: int) -> str:
    return f"needs at least {MIN_ROWS} rows, got {n_rows}" if n_rows < MIN_ROWS else too_few(n_groups)
