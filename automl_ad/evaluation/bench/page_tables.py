"""The tables of the page: bars, rows, datasets, criteria, with a caption and a scope for every heading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from automl_ad.evaluation.bench.bars import MAX_P, Bar
from automl_ad.evaluation.bench.differences import Comparison
from automl_ad.evaluation.bench.grouping import RegimeTable
from automl_ad.evaluation.bench.markup import Markup, element, joined
from automl_ad.evaluation.bench.measured import Interval, Measured
from automl_ad.evaluation.bench.records import BEST, ORACLES, OUTPUT
from automl_ad.evaluation.bench.statistics import CriterionSummary, RegimeStatistics, RowSummary

VERDICTS = {True: ("met", "met"), False: ("not met", "missed"), None: ("not measured", "unknown")}
"""Whether a bar is met -> what is said, class."""


def table(caption: str, headings: Iterable[str], rows: Iterable[Markup]) -> Markup:
    """A table that scrolls by itself where the page is narrow."""
    head = element("thead", element("tr", *(element("th", heading, scope="col") for heading in headings)))
    whole = element("table", element("caption", caption), head, element("tbody", *rows))
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def bars_table(bars: Sequence[Bar]) -> Markup:
    """Each bar with what is measured and wanted."""
    headings = ("bar", "measured", "95 % interval", "wanted", "verdict", "detail")
    return table("The bars set before anything was measured", headings, map(_bar, bars))


def rows_table(statistics: RegimeStatistics) -> Markup:
    """Each row with its means, gain and regret, and how the output and the best candidate fare against it."""
    headings = ("row", "n", "AUROC", "AP", "gain", "95 % interval", "regret")
    against = (f"{OUTPUT} - row", "95 % interval", "won / tied / lost", "p (Holm)", f"{BEST} - row: p (Holm)")
    rows = (_row(row, statistics) for row in statistics.rows)
    return table("Ways to choose, by mean AUROC", (*headings, *against), rows)


def datasets_table(regime: RegimeTable, rows: Sequence[str]) -> Markup:
    """AUROC of the given rows on every dataset; the highest that knows no labels is strong."""
    shown = [row for row in rows if row in regime.rows]
    auroc_GR = np.stack([regime.auroc(row) for row in shown], axis=1)
    lines = [_dataset(regime.groups[g], shown, auroc_GR[g].tolist()) for g in range(len(regime.groups))]
    return table("AUROC on every dataset", ("dataset", *shown), lines)


def criteria_table(criteria: Sequence[CriterionSummary]) -> Markup:
    """The figures behind the bars of the drawing."""
    headings = ("criterion", "n", "Spearman", "95 % interval")
    return table(
        "Correlation of each criterion with AUROC over candidates", headings, map(_criterion, criteria)
    )


def figure(measured: Measured, digits: str = ".3f") -> Markup:
    """A cell; the reason of a missing figure is its tooltip."""
    if measured.value is None:
        return element("td", "-", title=measured.reason)
    return element("td", f"{measured.value:{digits}}")


def interval(ends: Interval | None, digits: str = ".3f") -> Markup:
    """A cell with both ends."""
    return element("td", "-" if ends is None else f"{ends[0]:{digits}} to {ends[1]:{digits}}")


def probability(p: Measured) -> Markup:
    """A cell; strong where the difference is significant."""
    if p.value is None:
        return figure(p)
    text = "< .0001" if p.value < 0.0001 else f"{p.value:.4f}"
    return element("td", element("strong", text) if p.value < MAX_P else text)


def _bar(bar: Bar) -> Markup:
    said, kind = VERDICTS[bar.is_met]
    is_p = bar.relation == "<"
    return element(
        "tr",
        element("th", bar.what, scope="row"),
        probability(bar.measured) if is_p else figure(bar.measured),
        interval(bar.interval),
        element("td", f"{bar.relation} {bar.wanted:g}"),
        element("td", element("span", said, class_=f"verdict {kind}")),
        element("td", bar.detail or bar.measured.reason, class_="text"),
    )


def _row(row: RowSummary, statistics: RegimeStatistics) -> Markup:
    kinds = [
        kind for kind, has in (("own", row.name in (OUTPUT, BEST)), ("oracle", row.name in ORACLES)) if has
    ]
    return element(
        "tr",
        element("th", row.name, scope="row"),
        element("td", str(row.n_groups)),
        figure(row.auroc),
        figure(row.average_precision),
        figure(row.gain.gain, ".2f"),
        interval(row.gain.interval, ".2f"),
        figure(row.gain.regret, ".2f"),
        _compared(statistics.comparison(OUTPUT, row.name)),
        _best_p(statistics.comparison(BEST, row.name)),
        class_=" ".join(kinds) or None,
    )


def _compared(comparison: Comparison | None) -> Markup:
    if comparison is None:
        return Markup("<td></td>" * 4)
    counts = f"{comparison.wins} / {comparison.ties} / {comparison.losses}"
    return joined(
        figure(comparison.difference, "+.3f"),
        interval(comparison.interval, "+.3f"),
        element("td", counts),
        probability(comparison.p_holm),
    )


def _best_p(comparison: Comparison | None) -> Markup:
    return Markup("<td></td>") if comparison is None else probability(comparison.p_holm)


def _dataset(name: str, rows: Sequence[str], auroc_R: Sequence[float]) -> Markup:
    rivals = [v for row, v in zip(rows, auroc_R, strict=True) if row not in ORACLES and np.isfinite(v)]
    highest = max(rivals, default=np.nan)
    cells = []
    for row, value in zip(rows, auroc_R, strict=True):
        text = f"{value:.3f}" if np.isfinite(value) else "-"
        is_highest = value == highest and row not in ORACLES
        cells.append(element("td", element("strong", text) if is_highest else text))
    return element("tr", element("th", name, scope="row"), *cells)


def _criterion(criterion: CriterionSummary) -> Markup:
    return element(
        "tr",
        element("th", criterion.name, scope="row"),
        element("td", str(criterion.n_groups)),
        figure(criterion.spearman, "+.3f"),
        interval(criterion.interval, "+.3f"),
    )
