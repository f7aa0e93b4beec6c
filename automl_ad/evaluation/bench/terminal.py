"""A benchmark in the terminal: per regime the rows by AUROC, and the bars."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from automl_ad.evaluation.bench.bars import Bar
from automl_ad.evaluation.bench.differences import Comparison
from automl_ad.evaluation.bench.measured import Measured
from automl_ad.evaluation.bench.records import BEST, ORACLES, OUTPUT, BenchReport
from automl_ad.evaluation.bench.statistics import RegimeStatistics, RowSummary, bench_statistics

HEADINGS = ("n", "AUROC", "AP", "gain", "regret", f"{OUTPUT} - row", "won/tied/lost", "p (Holm)")
VERDICTS = {True: "[green]met[/]", False: "[red]not met[/]", None: "not measured"}


def bench_table(report: BenchReport, statistics: Sequence[RegimeStatistics] | None = None) -> RenderableType:
    """Each regime's rows and bars, one below the other."""
    found = bench_statistics(report) if statistics is None else statistics
    parts: list[RenderableType] = []
    for regime in found:
        parts += [_rows(regime), *_bars(regime), ""]
    return Group(*parts)


def _rows(statistics: RegimeStatistics) -> Table:
    families = (
        f" in {len(statistics.groups)} families" if len(statistics.groups) < statistics.n_datasets else ""
    )
    n_searches = statistics.n_outcomes
    title = f"{statistics.regime}: {statistics.n_datasets} datasets{families}, {n_searches} searches"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("row", no_wrap=True)
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    for row in statistics.rows:
        compared = statistics.comparison(OUTPUT, row.name)
        table.add_row(escape(row.name), *_cells(row), *_compared(compared), style=_style(row.name))
    return table


def _style(name: str) -> str:
    if name in (OUTPUT, BEST):
        return "bold"
    return "dim" if name in ORACLES else ""


def _cells(row: RowSummary) -> list[str]:
    figures: list[Measured] = [row.auroc, row.average_precision, row.gain.gain, row.gain.regret]
    return [str(row.n_groups), *map(str, figures)]


def _compared(comparison: Comparison | None) -> list[str]:
    if comparison is None:
        return ["", "", ""]
    counts = f"{comparison.wins}/{comparison.ties}/{comparison.losses}"
    p = comparison.p_holm.value
    return [_signed(comparison.difference), counts, "-" if p is None else f"{p:.2g}"]


def _signed(difference: Measured) -> str:
    return "-" if difference.value is None else f"{difference.value:+.3f}"


def _bars(statistics: RegimeStatistics) -> Sequence[str]:
    return [_bar(bar) for bar in statistics.bars]


def _bar(bar: Bar) -> str:
    value = "-" if bar.measured.value is None else f"{bar.measured.value:.3g}"
    ends = f" ({bar.interval[0]:.3f} to {bar.interval[1]:.3f})" if bar.interval else ""
    why = bar.detail or bar.measured.reason
    said = f"{bar.what}: {value}{ends}, wanted {bar.relation} {bar.wanted:g}{'; ' + why if why else ''}"
    return f"{VERDICTS[bar.is_met]}  {escape(said)}"
