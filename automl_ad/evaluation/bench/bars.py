"""The bars that were set before anything was measured (SELECTION 5), and whether they are met.

The p values of a regime's bars are corrected together (Holm): they are the hypotheses named beforehand, and
rows that a run adds to its table cannot move them. The table's own p values are corrected for all its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from automl_ad.detectors import DETECTORS, DeepDetector
from automl_ad.evaluation.bench.differences import Comparison, compare, compare_with
from automl_ad.evaluation.bench.gains import gain_of
from automl_ad.evaluation.bench.grouping import RegimeTable
from automl_ad.evaluation.bench.measured import Interval, Measured, absent
from automl_ad.evaluation.bench.records import (
    BEST,
    DEFAULT_PREFIX,
    ISOLATION_FOREST,
    ISOLATION_FOREST_AND_KNN,
    KNN,
    KNN_10,
    MEAN_TRIAL,
    NPD,
    OUTPUT,
)

MIN_GAIN: Mapping[str, Mapping[str, float]] = {
    "clean": {OUTPUT: 0.60, BEST: 0.55},
    "natural": {OUTPUT: 0.50, BEST: 0.40},
}
MAX_P = 0.01
MAX_SHORTFALL = 0.005
"""Of mean AUROC, below the better of the simple neighbours."""
NEIGHBOURS: Mapping[str, tuple[str, ...]] = {
    "clean": (KNN, ISOLATION_FOREST_AND_KNN, KNN_10),
    "natural": (KNN, ISOLATION_FOREST_AND_KNN),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One line of SELECTION 5."""

    what: str
    measured: Measured
    interval: Interval | None
    """95 % of what is measured, where it has one."""
    relation: Literal[">=", "<"]
    wanted: float
    detail: str = ""

    @property
    def is_met(self) -> bool | None:
        """None when nothing could be measured."""
        if self.measured.value is None:
            return None
        return (
            self.measured.value >= self.wanted if self.relation == ">=" else self.measured.value < self.wanted
        )


def bars(table: RegimeTable) -> list[Bar]:
    """The bars of the table's regime; none for a regime without any."""
    if table.regime not in MIN_GAIN:
        return []
    gains = [_gain_bar(table, row, wanted) for row, wanted in MIN_GAIN[table.regime].items()]
    return [*gains, *_significance_bars(table), _neighbours_bar(table)]


def _gain_bar(table: RegimeTable, row: str, wanted: float) -> Bar:
    gain = gain_of(table, row)
    return Bar(
        what=f"gain of '{row}'", measured=gain.gain, interval=gain.interval, relation=">=", wanted=wanted
    )


def _significance_bars(table: RegimeTable) -> Iterator[Bar]:
    """The output against each group of rivals; a group is as good as its strongest member."""
    rivals = _rivals(table)
    named = [row for rows in rivals.values() for row in rows]
    compared = {c.other: c for c in compare_with(table, OUTPUT, named)}
    for name, rows in rivals.items():
        yield _significance_bar(name, [compared[row] for row in rows])


def _rivals(table: RegimeTable) -> dict[str, list[str]]:
    """What the output must beat -> its rows."""
    rivals = {"a random trial": [MEAN_TRIAL], "every published default": deep_defaults(table.rows)}
    if table.regime == "clean":
        rivals["Isolation Forest"] = [ISOLATION_FOREST]
    return {**rivals, "NPD": [NPD]}


def deep_defaults(rows: Sequence[str]) -> list[str]:
    """The rows of published defaults of deep detectors.

    >>> deep_defaults(["default: vae", "default: knn", "only: hits"])
    ['default: vae']
    """
    names = [row.removeprefix(DEFAULT_PREFIX) for row in rows if row.startswith(DEFAULT_PREFIX)]
    deep = [name for name in names if name in DETECTORS and issubclass(DETECTORS[name], DeepDetector)]
    return [DEFAULT_PREFIX + name for name in deep]


def _significance_bar(name: str, compared: Sequence[Comparison]) -> Bar:
    untested = [c for c in compared if c.p_holm.value is None]
    if untested or not compared:
        why = f"'{untested[0].other}': {untested[0].p_holm.reason}" if untested else "no row of this kind"
        return _p_bar(name, absent(why), "")
    worst = max(compared, key=lambda c: c.p_holm.value or 0.0)
    n_below = sum((c.p_holm.value or 0.0) < MAX_P for c in compared)
    detail = f"AUROC {worst.difference.value:+.3f} against '{worst.other}'"
    if len(compared) > 1:
        detail = f"{n_below} of {len(compared)} are below {MAX_P:g}; largest p: {detail}"
    return _p_bar(name, worst.p_holm, detail)


def _p_bar(name: str, p: Measured, detail: str) -> Bar:
    what = f"p of '{OUTPUT}' against {name}"
    return Bar(what=what, measured=p, interval=None, relation="<", wanted=MAX_P, detail=detail)


def _neighbours_bar(table: RegimeTable) -> Bar:
    """The output against the better of the rows, by mean AUROC over the groups that have them all."""
    rows = NEIGHBOURS[table.regime]
    what = f"AUROC of '{OUTPUT}' above the better of {', '.join(map(repr, rows))}"
    auroc_GR = np.stack([table.auroc(row) for row in (OUTPUT, *rows)], axis=1)
    auroc_GR = auroc_GR[np.isfinite(auroc_GR).all(axis=1)]
    if not len(auroc_GR):
        nothing = absent("no dataset has all of these rows")
        return Bar(what=what, measured=nothing, interval=None, relation=">=", wanted=-MAX_SHORTFALL)
    better = rows[int(auroc_GR[:, 1:].mean(axis=0).argmax())]
    compared = compare(table, OUTPUT, better)
    return Bar(
        what=what,
        measured=compared.difference,
        interval=compared.interval,
        relation=">=",
        wanted=-MAX_SHORTFALL,
        detail=f"the better is '{better}'; {compared.wins} won, {compared.ties} tied, {compared.losses} lost",
    )
