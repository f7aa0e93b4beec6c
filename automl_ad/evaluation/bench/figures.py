"""Drawings of the page as inline SVG; colours come from the page's style, so that dark and print work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from automl_ad.evaluation.bench.grouping import RegimeTable
from automl_ad.evaluation.bench.markup import Markup, element
from automl_ad.evaluation.bench.records import BEST, KNN, MEAN_TRIAL, ORACLE_TRIAL, OUTPUT
from automl_ad.evaluation.bench.statistics import CriterionSummary

WIDTH = 880
LEFT, RIGHT = 230, 60
"""Space for names at the left, for figures at the right."""
MAX_NAME = 30
"""Letters that fit at the left."""
LINE = 22
"""Height of one line of a drawing."""
TOP = 34
MARKS: Mapping[str, str] = {KNN: "knn", BEST: "best", OUTPUT: "output"}
"""Row -> class of its mark, in the order of drawing."""


class Scale:
    """From a figure to a place between the names and the right edge."""

    def __init__(self, low: float, high: float) -> None:
        self.low = low
        self.high = max(high, low + 1e-9)

    def __call__(self, value: float) -> float:
        """The x of a value; values beyond the ends are drawn at the ends."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def correlations(criteria: Sequence[CriterionSummary]) -> Markup:
    """A bar per criterion, from 0 to its mean Spearman correlation with AUROC, with its 95 % interval."""
    known = [criterion for criterion in criteria if criterion.spearman.value is not None]
    ends = [end for c in known for end in (c.spearman.value or 0.0, *(c.interval or ()))]
    scale = Scale(np.floor(min([0.0, *ends]) * 5) / 5, np.ceil(max([0.2, *ends]) * 5) / 5)
    lines = [_correlation(c, scale, TOP + i * LINE) for i, c in enumerate(known)]
    height = TOP + len(known) * LINE + 8
    what = (
        f"Mean Spearman correlation with AUROC of {len(known)} criteria; the figures are in the table below."
    )
    return drawing(what, height, _axis(scale, height, 0.2), *lines)


def ways(table: RegimeTable) -> Markup:
    """A line per dataset from the mean to the best trial, with marks where the rows of MARKS ended up."""
    mean_G, oracle_G = table.auroc(MEAN_TRIAL), table.auroc(ORACLE_TRIAL)
    order = [int(g) for g in np.argsort(-mean_G, kind="stable") if np.isfinite(mean_G[g] + oracle_G[g])]
    marks = {row: table.auroc(row) for row in MARKS}
    shown = np.concatenate([[1.0], *(values[order] for values in (mean_G, oracle_G, *marks.values()))])
    scale = Scale(float(np.floor(np.nanmin(shown) * 10) / 10), 1.0)
    height = TOP + len(order) * LINE + 8
    lines: list[Markup] = []
    for i, g in enumerate(order):
        y = TOP + i * LINE + LINE / 2
        lines.append(_name(table.groups[g], y))
        lines.append(_segment(scale(mean_G[g]), scale(oracle_G[g]), y, "way"))
        lines += [_mark(scale(values[g]), y, row) for row, values in marks.items() if np.isfinite(values[g])]
    what = f"AUROC on {len(order)} datasets, from the mean to the best trial; a table below has the figures."
    return drawing(what, height, _axis(scale, height, 0.1), *lines)


def legend() -> Markup:
    """What the marks of `ways` mean."""
    keys = [_key(_segment(0, 26, 8, "way"), f"from {MEAN_TRIAL} to {ORACLE_TRIAL}")]
    keys += [_key(_mark(13, 8, row), row) for row in reversed(list(MARKS))]
    return element("p", *keys, class_="legend")


def drawing(what: str, height: float, *shapes: str, width: float = WIDTH) -> Markup:
    """The shapes with a description for those who do not see them."""
    return element(
        "svg",
        element("title", what),
        *shapes,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        class_="figure",
    )


def _correlation(criterion: CriterionSummary, scale: Scale, top: float) -> Markup:
    value = criterion.spearman.value or 0.0
    start, end, y = scale(min(value, 0.0)), scale(max(value, 0.0)), top + LINE / 2
    kind = "bar" if value >= 0 else "bar negative"
    bar = element("rect", x=start, y=top + 5, width=max(end - start, 0.5), height=LINE - 10, class_=kind)
    low, high = criterion.interval or (value, value)
    whisker = _segment(scale(low), scale(high), y, "whisker") if criterion.interval else ""
    figure = element("text", f"{value:+.2f}", x=WIDTH - 8, y=y + 4, text_anchor="end")
    return element("g", _name(criterion.name, y), bar, whisker, figure)


def _axis(scale: Scale, height: float, step: float) -> Markup:
    """Vertical lines with their values above."""
    ticks = np.arange(np.ceil(scale.low / step - 1e-9), np.floor(scale.high / step + 1e-9) + 1) * step
    return element("g", *(_tick(float(tick), scale(float(tick)), height) for tick in ticks), class_="axis")


def _tick(value: float, x: float, height: float) -> Markup:
    line = element(
        "line", x1=x, x2=x, y1=TOP - 6, y2=height - 6, class_="zero" if abs(value) < 1e-9 else None
    )
    return element("g", line, element("text", f"{value + 0.0:.1f}", x=x, y=TOP - 14, text_anchor="middle"))


def _segment(x1: float, x2: float, y: float, kind: str) -> Markup:
    return element("line", x1=x1, x2=x2, y1=y, y2=y, class_=kind)


def _name(name: str, y: float) -> Markup:
    shown = name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…"
    return element("text", shown, x=LEFT - 12, y=y + 4, text_anchor="end")


def _mark(x: float, y: float, row: str) -> Markup:
    """A disc for the output, a diamond for the best candidate, a tick for kNN: told apart without colour."""
    if row == OUTPUT:
        return element("circle", cx=x, cy=y, r=5, class_=MARKS[row])
    if row == BEST:
        points = f"{x:.1f},{y - 6:.1f} {x + 6:.1f},{y:.1f} {x:.1f},{y + 6:.1f} {x - 6:.1f},{y:.1f}"
        return element("polygon", points=points, class_=MARKS[row])
    return element("line", x1=x, x2=x, y1=y - 7, y2=y + 7, class_=MARKS[row])


def _key(mark: Markup, text: str) -> Markup:
    svg = element("svg", mark, viewBox="0 0 26 16", width=26, height=16, aria_hidden="true")
    return element("span", svg, " ", text, class_="key")
