"""A benchmark as one static HTML page: no script, no file beside it, nothing fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from string import Template

from automl_ad.evaluation.bench.differences import TIE
from automl_ad.evaluation.bench.figures import correlations, legend, ways
from automl_ad.evaluation.bench.gains import gain_of
from automl_ad.evaluation.bench.grouping import RegimeTable, regime_tables
from automl_ad.evaluation.bench.markup import Markup, element, joined
from automl_ad.evaluation.bench.page_style import STYLE
from automl_ad.evaluation.bench.page_tables import bars_table, criteria_table, datasets_table, rows_table
from automl_ad.evaluation.bench.rank_figure import critical_difference_diagram
from automl_ad.evaluation.bench.ranks import headline_rows
from automl_ad.evaluation.bench.records import MEAN_TRIAL, ORACLE_TRIAL, ORACLES, OUTPUT, BenchReport
from automl_ad.evaluation.bench.statistics import RegimeStatistics, regime_statistics

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>$style</style>
</head>
<body>
<main>
$content
</main>
</body>
</html>
""")
TITLE = "automl-ad bench"
HOW_TO_READ = (
    "Every row is a way to choose without labels; labels were used afterwards, to judge. "
    f"'{MEAN_TRIAL}' is what a random trial is worth, '{ORACLE_TRIAL}' the best one, chosen with labels. "
    "A gain of 0 is a random trial, of 1 the best. Seeds are averaged first, then related datasets; regimes "
    "are never pooled. p is of a one-sided paired Wilcoxon test over datasets, corrected by Holm; intervals "
    f"are bootstrapped over datasets. AUROCs within {TIE} tie."
)


def bench_page(report: BenchReport) -> str:
    """The whole page."""
    tables = regime_tables(report)
    sections = [_section(table, regime_statistics(table), report) for table in tables]
    links = [element("a", table.regime, href=f"#{table.regime}") for table in tables]
    content = joined(
        element("h1", TITLE),
        element("p", HOW_TO_READ),
        element("nav", *links, aria_label="Regimes"),
        *sections,
        element("h2", "Settings"),
        _settings(report),
    )
    return PAGE.substitute(title=TITLE, style=STYLE, content=content)


def _section(table: RegimeTable, statistics: RegimeStatistics, report: BenchReport) -> Markup:
    rows = [*headline_rows(table), *ORACLES]
    parts = [
        element("h2", f"Regime: {table.regime}"),
        element("p", _counts(table), class_="soft"),
        element("p", _summary(table, statistics)),
        *([bars_table(statistics.bars)] if statistics.bars else []),
        *_part("Ways to choose", rows_table(statistics)),
        *_part("From a random to the best trial", element("figure", legend(), ways(table))),
        *_part("Ranks", *_ranks(statistics)),
        *_part("Criteria", *_criteria(statistics)),
        *_part("Datasets", datasets_table(table, rows)),
        _notes(table.regime, report),
    ]
    return element("section", *parts, id=table.regime)


def _part(heading: str, *content: Markup) -> Sequence[Markup]:
    return (element("h3", heading), *content)


def _counts(table: RegimeTable) -> str:
    families = f", which count as {len(table.groups)}" if len(table.groups) < table.n_datasets else ""
    return f"{table.n_datasets} datasets{families}; {table.n_outcomes} searches."


def _summary(table: RegimeTable, statistics: RegimeStatistics) -> str:
    """One sentence that needs no table."""
    gain = gain_of(table, OUTPUT).gain
    if gain.value is None:
        return f"No gain can be given: {gain.reason}."
    sentence = f"The output goes {gain.value:.0%} of the way from a random to the best trial"
    if not statistics.bars:
        return f"{sentence}. No bar was set for this regime."
    n_met = sum(bar.is_met is True for bar in statistics.bars)
    return f"{sentence}; {n_met} of {len(statistics.bars)} bars are met."


def _ranks(statistics: RegimeStatistics) -> Sequence[Markup]:
    ranks = statistics.ranks
    if ranks.critical_difference.value is None:
        return [element("p", f"No diagram: {ranks.critical_difference.reason}.", class_="soft")]
    left_out = f" Left out, missing on some dataset: {', '.join(ranks.left_out)}." if ranks.left_out else ""
    p = ranks.friedman_p
    friedman = f"Friedman's p {p.value:.2g}." if p.value is not None else f"No Friedman test: {p.reason}."
    caption = (
        f"Mean ranks over {ranks.n_groups} datasets, 1 is best. Rows under one bar are not told apart "
        f"(Nemenyi, .05). {friedman}{left_out}"
    )
    return [element("figure", critical_difference_diagram(ranks), element("figcaption", caption))]


def _criteria(statistics: RegimeStatistics) -> Sequence[Markup]:
    if not statistics.criteria:
        return [element("p", "No criterion was measured.", class_="soft")]
    caption = "Spearman correlation with AUROC over the candidates of a search; 1 would be the perfect order."
    drawn = element("figure", correlations(statistics.criteria), element("figcaption", caption))
    figures = element("details", element("summary", "Figures"), criteria_table(statistics.criteria))
    return [drawn, figures]


def _notes(regime: str, report: BenchReport) -> Markup:
    """Each remark once, with the number of searches it was made of."""
    outcomes = [outcome for outcome in report.outcomes if outcome.regime == regime]
    notes = Counter(f"{name}: {text}" for outcome in outcomes for name, text in outcome.notes.items())
    if not notes:
        return Markup()
    items = [element("li", f"{note} ({count} of {len(outcomes)})") for note, count in notes.most_common()]
    remarks = element("ul", *items)
    return joined(*_part("Remarks", element("details", element("summary", f"{len(items)} remarks"), remarks)))


def _settings(report: BenchReport) -> Markup:
    if not report.config:
        return element("p", "None were recorded.", class_="soft")
    pairs = ((element("dt", name), element("dd", str(value))) for name, value in report.config.items())
    return element("dl", *(part for pair in pairs for part in pair))
