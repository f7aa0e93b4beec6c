"""The ranked table of a study: the best candidate of each trial, every baseline row, and vetoes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.table import Table

from automl_ad.reporting.arms import arms, arms_sentence
from automl_ad.reporting.document import ROLES, SECOND_OPINION, VOTED, role_of
from automl_ad.results import Audit, RankedCandidate, Selection, TrialResult

N_ROWS = 15
"""Baseline rows come on top of these."""
N_BESIDE = 4
"""Criteria without a vote that have a column: more would not fit a terminal."""
BESIDE = ("consensus", "probe_auc", "loss_stability", "gamma_balance")
"""One for each thing to look at: the pool, pseudo-anomalies, the loss, the balance of DASVDD's two terms."""
N_REASONS = 3


def leaderboard(selection: Selection, results: Sequence[TrialResult], audit: Audit | None) -> RenderableType:
    """The table, what is missing from it and why, and the verdict.

    With an audit, it has AUROC and AP columns that selection never saw.
    """
    present = _present_criteria(selection.ranking)
    criteria = _columns(selection, present)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rank", justify="right")
    for header in ("candidate", "detector", "origin"):
        table.add_column(header, no_wrap=True, vertical="bottom")
    for header in (*criteria, "aggregate", *(("AUROC*", "AP*") if audit is not None else ())):
        table.add_column(header.replace("_", "\n"), justify="right", vertical="bottom")
    for rank, row in _shown(selection.ranking):
        table.add_row(*_cells(rank, row, criteria, audit), style="bold" if row.key == selection.best else "")
    legend = _legend(selection, criteria, len(present) - len(criteria))
    return Group(table, "", *legend, *_missing(selection, results), *_notes(selection, audit))


def _present_criteria(ranking: Sequence[RankedCandidate]) -> list[str]:
    """The criteria that say something about any candidate."""
    return list(dict.fromkeys(name for row in ranking for name, v in row.criteria.items() if v is not None))


def _columns(selection: Selection, present: Sequence[str]) -> list[str]:
    """The voters, then at most N_BESIDE others: BESIDE first, then whatever counts, then the rest."""
    roles = {finding.criterion: role_of(finding) for finding in selection.criteria}
    voters = [name for name in present if roles.get(name) == VOTED]
    others = [name for name in present if name not in voters]
    others.sort(key=lambda name: (name not in BESIDE, roles.get(name) != SECOND_OPINION))
    return voters + sorted(others[:N_BESIDE], key=lambda name: roles.get(name) != SECOND_OPINION)


def _legend(selection: Selection, columns: Sequence[str], n_left_out: int) -> Iterable[str]:
    """What each column is good for, and how many have none."""
    names: dict[str, list[str]] = {}
    for finding in sorted(selection.criteria, key=lambda finding: ROLES.index(role_of(finding))):
        if finding.criterion in columns:
            names.setdefault(role_of(finding), []).append(finding.criterion.replace("_", " "))
    if names:
        parts = [f"{role}: {', '.join(criteria)}" for role, criteria in names.items()]
        left_out = f"; {n_left_out} more in manifest.json and with --json" if n_left_out else ""
        yield f"criteria {'; '.join(parts)}{left_out}"


def _shown(ranking: Sequence[RankedCandidate]) -> Iterable[tuple[int, RankedCandidate]]:
    """(rank, row): the leading candidate of each trial, and all baseline rows."""
    seen: set[int] = set()
    n_shown = 0
    for rank, row in enumerate(ranking, start=1):
        if row.veto or row.key.trial in seen:
            continue
        seen.add(row.key.trial)
        n_shown += row.origin != "baseline"
        if row.origin == "baseline" or n_shown <= N_ROWS:
            yield rank, row


def _cells(rank: int, row: RankedCandidate, criteria: Sequence[str], audit: Audit | None) -> list[str]:
    cells = [str(rank), str(row.key), row.detector, row.origin]
    cells += [_figure(row.criteria.get(name)) for name in criteria] + [_figure(row.aggregate)]
    if audit is not None:
        metrics = audit.candidates[row.key]
        cells += [_figure(metrics.auroc), _figure(metrics.average_precision)]
    return cells


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _missing(selection: Selection, results: Sequence[TrialResult]) -> Iterable[str]:
    """Why baseline rows are not in the table, how many other trials are not, and what each arm reached."""
    shown = {row.key.trial for row in selection.ranking if not row.veto}
    for result in results:
        if result.config.origin == "baseline" and result.trial not in shown:
            vetoes = [row.veto for row in selection.ranking if row.key.trial == result.trial]
            yield f"baseline {result.config.detector}: {result.reason or vetoes[0]}"
    failures = Counter(r.reason for r in results if r.state == "failed" and r.config.origin != "baseline")
    yield from _commonest("failed", "trials", failures)
    yield arms_sentence(arms(results))


def _commonest(word: str, noun: str, reasons: Counter[str]) -> Iterable[str]:
    """A line for each of the commonest reasons, and one for the others, N_REASONS lines in all."""
    ordered = reasons.most_common()
    n_named = N_REASONS if len(ordered) <= N_REASONS else N_REASONS - 1
    for reason, count in ordered[:n_named]:
        yield f"{word}: {count} {noun}, {reason}"
    if others := ordered[n_named:]:
        yield f"{word}: {sum(count for _, count in others)} {noun}, for {len(others)} other reasons"


def _notes(selection: Selection, audit: Audit | None) -> Iterable[str]:
    vetoes = Counter(row.veto.split(",")[0].split(":")[0] for row in selection.ranking if row.veto)
    yield from _commonest("vetoed", "candidates", vetoes)
    yield f"best single candidate: {selection.best or 'none'}"
    parts = ", ".join(f"{part.key} x {part.weight:.2f}" for part in selection.output)
    yield f"default output ({selection.output_kind}): {parts}"
    if audit is not None:
        yield (
            f"* audit after selection, {audit.n_anomalies} anomalies in {audit.n_rows} panel rows: "
            f"output AUROC {audit.output.auroc:.3f}, AP {audit.output.average_precision:.3f}"
        )
    yield selection.verdict
