"""One row against another over datasets: wins, mean difference with its interval, and a one-sided test.

Shapes: G groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import PermutationMethod, wilcoxon

from automl_ad.evaluation.bench.bootstrap import mean_interval
from automl_ad.evaluation.bench.grouping import RegimeTable
from automl_ad.evaluation.bench.holm import holm
from automl_ad.evaluation.bench.measured import (
    Float64Array,
    Interval,
    Measured,
    absent,
    measured,
    too_few,
)
from automl_ad.evaluation.bench.records import ORACLES

TIE = 0.001
"""Of AUROC: a smaller difference is neither won nor lost."""
N_DECIMALS = 12
"""Kept of a difference: means of the same figures are equal but for the last bits."""
MAX_ENUMERATED = 13
"""Pairs up to which scipy walks through all sign flips, when equal differences rule the exact table out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """`row` against `other` on the groups that have both, by AUROC."""

    row: str
    other: str
    n_groups: int
    wins: int
    ties: int
    losses: int
    difference: Measured
    """Mean of row - other."""
    interval: Interval | None
    """95 % bootstrap over groups."""
    p: Measured
    """One-sided paired Wilcoxon: small when the row is better."""
    p_holm: Measured
    """The same, corrected for every row that `row` is compared with."""


def compare_with_all(table: RegimeTable, row: str) -> list[Comparison]:
    """The row against every other one that knows no labels."""
    return compare_with(table, row, (name for name in table.rows if name not in (row, *ORACLES)))


def compare_with(table: RegimeTable, row: str, others: Iterable[str]) -> list[Comparison]:
    """The row against the others, which make one family for Holm's correction."""
    compared = [compare(table, row, other) for other in others]
    corrected = holm([comparison.p for comparison in compared])
    return [replace(comparison, p_holm=p) for comparison, p in zip(compared, corrected, strict=True)]


def compare(table: RegimeTable, row: str, other: str) -> Comparison:
    """The row against one other; `p_holm` is `p`, a family of one."""
    differences_G = table.auroc(row) - table.auroc(other)
    differences_G = np.round(differences_G[np.isfinite(differences_G)], N_DECIMALS)
    n_groups = len(differences_G)
    wins, losses = int((differences_G > TIE).sum()), int((differences_G < -TIE).sum())
    p = wilcoxon_p(differences_G)
    return Comparison(
        row=row,
        other=other,
        n_groups=n_groups,
        wins=wins,
        ties=n_groups - wins - losses,
        losses=losses,
        difference=measured(differences_G.mean()) if n_groups else absent("no dataset has both rows"),
        interval=mean_interval(differences_G),
        p=p,
        p_holm=p,
    )


def wilcoxon_p(differences_G: Float64Array) -> Measured:
    """One-sided p that the differences lie above 0; equal pairs are dropped (Wilcoxon 1945)."""
    if reason := too_few(len(differences_G)):
        return absent(reason)
    apart_G = differences_G[differences_G != 0]
    if not len(apart_G):
        return absent("the rows are equal on every dataset")
    has_equal = len(np.unique(np.abs(apart_G))) < len(apart_G)
    method = PermutationMethod() if has_equal and len(apart_G) <= MAX_ENUMERATED else "auto"
    return measured(wilcoxon(apart_G, alternative="greater", method=method).pvalue)
