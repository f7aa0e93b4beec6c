"""The rows of the table: every way to choose that a case is measured with (SELECTION 4).

Shapes: K candidates.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from automl_ad.criteria import CRITERIA
from automl_ad.errors import NoTrialSucceeded
from automl_ad.evaluation.bench import records
from automl_ad.evaluation.bench.cases import JudgedCase, native
from automl_ad.results import Candidate, Metrics, Selection, TrialResult
from automl_ad.selection import rank_pool, select
from automl_ad.selection.pool import Pool
from automl_ad.training.early_stopping import loss_entropy

Rows = dict[str, Metrics]

STRONGEST = ("knn", "isolation_forest")
"""The baselines that a selection is also measured without: shipping them everywhere is no achievement."""
WITHOUT = f"without {' and '.join(STRONGEST)}"
MIN_FOR_CORRELATION = 3


def make_rows(judged: JudgedCase) -> tuple[Rows, dict[str, float], dict[str, str]]:
    """(row -> metrics, criterion -> correlation with AUROC, note -> text) of one case, peers not included.

    Raises NoTrialSucceeded when nothing of the case can be selected.
    """
    rows, notes = _selected(judged)
    pool, table, _ = rank_pool(judged.results, judged.config)
    picks = {
        f"{records.ONLY_PREFIX}{name}": _metrics(judged, c) for name, c in first_by_criterion(pool, table)
    }
    rows |= {
        **_trials(judged),
        **_published(judged),
        **_losses(judged),
        **{name: metrics for name, metrics in picks.items() if metrics is not None},
        **_anchors(judged, pool),
    }
    return rows, _correlations(judged, pool, table), notes


def first_by_criterion(
    pool: Pool, table: Mapping[str, npt.NDArray[np.float64]]
) -> Iterator[tuple[str, Candidate]]:
    """Each criterion with the candidate that it alone puts first; ties go to the lower key."""
    for name, values_K in table.items():
        signed_K = values_K if CRITERIA[name].direction == "max" else -values_K
        if not np.isnan(signed_K).all():
            yield name, pool.evidence.candidates[int(np.nanargmax(signed_K))]


def measure_selection(judged: JudgedCase, selection: Selection) -> tuple[Metrics, Metrics | None]:
    """(the output, the single best)."""
    by_key = {c.key: c for result in judged.results for c in result.candidates}
    output = judged.measure_parts([by_key[part.key] for part in selection.output])
    return output, judged.metrics.get(selection.best) if selection.best is not None else None


def _selected(judged: JudgedCase) -> tuple[Rows, dict[str, str]]:
    """What ships, what would ship without the strongest baselines, and what an early stop would leave."""
    selection = select(judged.results, judged.config)
    rows = _named(judged, selection, "")
    notes = {"verdict": selection.verdict, "output": selection.output_kind}
    try:
        bereft = select(judged.results, judged.config, exclude=STRONGEST)
        rows |= _named(judged, bereft, f", {WITHOUT}")
    except NoTrialSucceeded as error:
        notes[WITHOUT] = error.message
    return rows | _checkpoint_rule(judged), notes


def _named(judged: JudgedCase, selection: Selection, suffix: str) -> Rows:
    output, best = measure_selection(judged, selection)
    rows = {f"{records.OUTPUT}{suffix}": output}
    return rows if best is None else rows | {f"{records.BEST}{suffix}": best}


def _checkpoint_rule(judged: JudgedCase) -> Rows:
    """The mean trial again, each at the checkpoint where the entropy of its native scores is lowest."""
    picks = []
    for result in judged.searched:
        score_type = native(result).key.score_type
        checkpoints = [c for c in result.candidates if c.key.score_type == score_type]
        measured = [c for c in checkpoints if c.key in judged.metrics]
        if measured:
            picks.append(judged.metrics[min(measured, key=lambda c: loss_entropy(c.panel_scores)).key])
    return {"mean trial, checkpoint by loss entropy": _mean(picks)} if picks else {}


def _trials(judged: JudgedCase) -> Rows:
    """A random pick, and what the labels would have picked."""
    rows = {records.ORACLE_CANDIDATE: _by_auroc(list(judged.metrics.values()), -1)}
    if natives := _natives(judged, judged.searched):
        rows |= {
            records.MEAN_TRIAL: _mean(natives),
            records.MEDIAN_TRIAL: _by_auroc(natives, len(natives) // 2),
            records.ORACLE_TRIAL: _by_auroc(natives, -1),
        }
    for origin, name in (("random", "mean random trial"), ("sampled", "mean TPE trial")):
        if arm := _natives(judged, [r for r in judged.searched if r.config.origin == origin]):
            rows[name] = _mean(arm)
    return rows


def _published(judged: JudgedCase) -> Rows:
    """Every baseline, and every detector's published defaults, by the native score."""
    rows = {}
    for result in judged.baselines:
        if (metrics := _metrics(judged, native(result))) is not None:
            rows[_baseline_name(result)] = metrics
    for result in judged.searched:
        if result.config.origin == "default" and (metrics := _metrics(judged, native(result))) is not None:
            rows[f"{records.DEFAULT_PREFIX}{result.config.detector}"] = metrics
    return rows


def _baseline_name(result: TrialResult) -> str:
    """The detector, and its centre where it has a choice of two.

    Both centres are baselines, and each is a row of its own.
    """
    center = result.config.params.get("center")
    return result.config.detector if center is None else f"distance_to_{center}"


def _losses(judged: JudgedCase) -> Rows:
    """The deep trial that ended with the lowest loss, whatever that loss means."""
    trained = [r for r in judged.searched if r.losses is not None and native(r).key in judged.metrics]
    last = {r.trial: float(np.nanmean(np.asarray(r.losses)[:, -1])) for r in trained}
    if not last:
        return {}
    lowest = min(trained, key=lambda r: last[r.trial])
    return {"lowest loss": judged.metrics[native(lowest).key]}


def _anchors(judged: JudgedCase, pool: Pool) -> Rows:
    """Averages of baselines that need no search."""
    rows = {}
    if pool.anchors:
        rows[records.ANCHORS] = judged.measure_parts(list(pool.anchors.values()))
    if all(name in pool.anchors for name in STRONGEST):
        pair = [pool.anchors[name] for name in STRONGEST]
        rows[records.ISOLATION_FOREST_AND_KNN] = judged.measure_parts(pair)
    return rows


def _correlations(
    judged: JudgedCase, pool: Pool, table: Mapping[str, npt.NDArray[np.float64]]
) -> dict[str, float]:
    """Spearman of every criterion, in its own direction, with AUROC, over the candidates it speaks of."""
    found = (_metrics(judged, c) for c in pool.evidence.candidates)
    auroc_K = np.array([np.nan if metrics is None else metrics.auroc for metrics in found])
    correlations: dict[str, float] = {}
    for name, values_K in table.items():
        is_there_K = np.isfinite(values_K) & np.isfinite(auroc_K)
        sign = 1 if CRITERIA[name].direction == "max" else -1
        ordered = [sign * values_K[is_there_K], auroc_K[is_there_K]]
        if is_there_K.sum() >= MIN_FOR_CORRELATION and all(np.ptp(figures) > 0 for figures in ordered):
            correlations[name] = float(spearmanr(*ordered).statistic)
    return correlations


def _natives(judged: JudgedCase, results: Sequence[TrialResult]) -> list[Metrics]:
    found = (_metrics(judged, native(result)) for result in results)
    return [metrics for metrics in found if metrics is not None]


def _metrics(judged: JudgedCase, candidate: Candidate) -> Metrics | None:
    return judged.metrics.get(candidate.key)


def _mean(metrics: Sequence[Metrics]) -> Metrics:
    return Metrics(
        auroc=float(np.mean([m.auroc for m in metrics])),
        average_precision=float(np.mean([m.average_precision for m in metrics])),
    )


def _by_auroc(metrics: Sequence[Metrics], position: int) -> Metrics:
    return sorted(metrics, key=lambda m: m.auroc)[position]
