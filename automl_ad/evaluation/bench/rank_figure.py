"""The critical-difference diagram: rows at their mean ranks, and a bar over those that are not told apart.

J. Demsar, JMLR 7 (2006), figure 1. Rank 1, the best, is at the left.
"""

from __future__ import annotations

from collections.abc import Iterable

from automl_ad.evaluation.bench.figures import drawing
from automl_ad.evaluation.bench.markup import Markup, element
from automl_ad.evaluation.bench.ranks import RankComparison

AXIS_WIDTH = 400
LETTER = 7
"""Width that a letter of a name takes, about."""
AXIS_Y = 58
CLIQUE_STEP = 9
LINE = 22


class RankAxis:
    """From a mean rank to its place on the axis 1 to `n_rows`, which has space for names on both sides."""

    def __init__(self, names: Iterable[str]) -> None:
        lengths = [len(name) for name in names]
        self.n_rows = len(lengths)
        self.margin = 80 + LETTER * max(lengths)
        self.width = AXIS_WIDTH + 2 * self.margin
        self.unit = AXIS_WIDTH / max(self.n_rows - 1, 1)

    def __call__(self, rank: float) -> float:
        """The x of a rank."""
        return self.margin + (rank - 1) * self.unit


def critical_difference_diagram(ranks: RankComparison) -> Markup:
    """The better half is named at the left, the other at the right."""
    axis = RankAxis(ranks.mean_ranks)
    names_y = AXIS_Y + 22 + CLIQUE_STEP * len(ranks.cliques)
    rows = list(ranks.mean_ranks.items())
    n_left = (len(rows) + 1) // 2
    left = [
        _row(name, rank, axis(rank), names_y + i * LINE, axis.margin - 20, "end")
        for i, (name, rank) in enumerate(rows[:n_left])
    ]
    right = [
        _row(name, rank, axis(rank), names_y + i * LINE, axis.width - axis.margin + 20, "start")
        for i, (name, rank) in enumerate(reversed(rows[n_left:]))
    ]
    shapes = [*_axis(axis), *_ruler(axis, ranks), *left, *right, *_cliques(axis, ranks)]
    what = "Mean ranks, best first: " + ", ".join(f"{name} {rank:.2f}" for name, rank in rows)
    return drawing(what, names_y + n_left * LINE, *shapes, width=axis.width)


def _axis(axis: RankAxis) -> list[Markup]:
    line = element("line", x1=axis(1), x2=axis(axis.n_rows), y1=AXIS_Y, y2=AXIS_Y, class_="rule")
    return [line, *(_tick(axis(rank), rank) for rank in range(1, axis.n_rows + 1))]


def _tick(x: float, rank: int) -> Markup:
    line = element("line", x1=x, x2=x, y1=AXIS_Y - 6, y2=AXIS_Y, class_="rule")
    return element("g", line, element("text", str(rank), x=x, y=AXIS_Y - 11, text_anchor="middle"))


def _ruler(axis: RankAxis, ranks: RankComparison) -> list[Markup]:
    """The critical difference itself, above the axis."""
    if ranks.critical_difference.value is None:
        return []
    end = axis(1) + ranks.critical_difference.value * axis.unit
    line = element("line", x1=axis(1), x2=end, y1=22, y2=22, class_="rule")
    ends = [element("line", x1=x, x2=x, y1=17, y2=27, class_="rule") for x in (axis(1), end)]
    text = element("text", f"critical difference {ranks.critical_difference}", x=axis(1), y=12)
    return [line, *ends, text]


def _row(name: str, rank: float, x: float, y: float, name_x: float, anchor: str) -> Markup:
    path = element("polyline", points=f"{x:.1f},{AXIS_Y} {x:.1f},{y:.1f} {name_x:.1f},{y:.1f}", class_="lead")
    gap = -6 if anchor == "end" else 6
    return element(
        "g", path, element("text", f"{name} ({rank:.2f})", x=name_x + gap, y=y + 4, text_anchor=anchor)
    )


def _cliques(axis: RankAxis, ranks: RankComparison) -> list[Markup]:
    lines = []
    for i, clique in enumerate(ranks.cliques):
        y = AXIS_Y + 11 + i * CLIQUE_STEP
        first, last = ranks.mean_ranks[clique[0]], ranks.mean_ranks[clique[-1]]
        lines.append(element("line", x1=axis(first) - 4, x2=axis(last) + 4, y1=y, y2=y, class_="clique"))
    return lines
