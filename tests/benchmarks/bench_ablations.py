"""What each piece of the selection is worth, from the finished searches of a benchmark: nothing is trained.

First `automl-ad bench DIR --output OUTPUT --keep-members`, then
`python tests/benchmarks/bench_ablations.py DIR OUTPUT`. Prints the mean AUROC over the tables of the ensemble
and of the single best, without the fallback on the anchors' average, for: who votes, how votes add up, how
many parts, fewer members, fewer trials, the arms of the sampler. The gain is the share of the way from the
mean to the best trial (SELECTION 5). Seeds are averaged first.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from automl_ad.config import SelectionConfig
from automl_ad.criteria import CRITERIA, agreement_of_members
from automl_ad.evaluation.bench.cases import JudgedCase, judged_scores, native, read_case
from automl_ad.evaluation.bench.run import find_cases
from automl_ad.evaluation.bench.searching import STUDY_FOLDER, BenchConfig, case_folder, n_trials_done
from automl_ad.evaluation.bench.tables import Case
from automl_ad.results import Candidate, TrialResult
from automl_ad.selection import rank_pool
from automl_ad.selection.output import choose_output
from automl_ad.selection.ranking import rank
from automl_ad.study import TrialStore

Figures = dict[tuple[str, str], tuple[float, float]]
"""(what is varied, variant) -> AUROC of the ensemble and of the best."""
N_TRIALS = (8, 16, 32, 64)
N_PARTS = (1, 3, 5, 10)
N_MEMBERS = (1, 2, 4)


def main() -> None:
    """Print one table per regime."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--regime", action="append")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--max-trials", type=int, default=64)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    config = BenchConfig(max_trials=options.max_trials)
    for regime in options.regime or ("natural", "clean"):
        found = find_cases(options.tables, [regime], options.seeds, (0.05, 0.25))
        cases = [c for c in found if n_trials_done(case_folder(options.output, c)) >= config.max_trials]
        with ProcessPoolExecutor(options.jobs) as pool:
            per_case = list(pool.map(partial(measure, config=config, output=options.output), cases))
        print_regime(regime, cases, per_case)


def measure(case: Case, *, config: BenchConfig, output: Path) -> tuple[Figures, tuple[float, float]]:
    """All variants of one case, and its (mean trial, best trial)."""
    judged = read_case(case, config, output)
    usual = SelectionConfig()
    figures = variants(judged, choices())
    for n_trials in N_TRIALS:
        shorter = judged.first_trials(n_trials)
        figures |= variants(shorter, {("trials", f"{n_trials}"): usual})
        figures["seconds of training", f"{n_trials}"] = (sum(r.seconds for r in shorter.results), np.nan)
    for origin in ("sampled", "random"):
        arm = [r for r in judged.results if r.config.origin in ("baseline", "default", origin)]
        figures |= variants(replace(judged, results=tuple(arm)), {("arms", f"defaults and {origin}"): usual})
    figures |= {
        ("arms within a detector", name): (value, np.nan) for name, value in arm_means(judged).items()
    }
    store = TrialStore(case_folder(output, case) / STUDY_FOLDER / "trials")
    whole = [store.read_with_members(result.trial) for result in judged.results]
    if any(c.member_scores for result in whole for c in result.candidates):
        for n_members in N_MEMBERS:
            fewer = tuple(with_members(result, n_members) for result in whole)
            figures |= variants(replace(judged, results=fewer), {("members", f"{n_members}"): usual})
    natives = [
        judged.metrics[native(r).key].auroc for r in judged.searched if native(r).key in judged.metrics
    ]
    return figures, (float(np.mean(natives)), max(natives))


def choices() -> dict[tuple[str, str], SelectionConfig]:
    """Every selection that is tried on the whole pool."""
    usual = SelectionConfig()
    tried: dict[tuple[str, str], SelectionConfig] = {("usual", "usual"): usual}
    for name in CRITERIA:
        tried["one criterion alone", name] = SelectionConfig(rank_by=(name,))
    for name, rank_by in VOTES.items():
        tried["who votes", name] = SelectionConfig(rank_by=rank_by)
        tried["who votes, without anchors", name] = SelectionConfig(rank_by=rank_by, with_anchors=False)
        for left_out in rank_by if len(rank_by) > 2 else ():
            rest = tuple(vote for vote in rank_by if vote != left_out)
            tried["one left out", f"{name} without {left_out}"] = SelectionConfig(rank_by=rest)
    for aggregate in ("borda", "robust_borda", "kemeny"):
        tried["aggregation of four votes", aggregate] = SelectionConfig(
            rank_by=VOTES["four kinds of evidence"], aggregate=aggregate
        )
    for n_parts in N_PARTS:
        tried["parts", f"{n_parts} with the anchors"] = SelectionConfig(n_parts=n_parts)
        tried["parts", f"{n_parts} alone"] = SelectionConfig(n_parts=n_parts, with_anchors=False)
    for cap in (2, 5):
        tried["most of one detector", f"{cap}"] = SelectionConfig(max_per_detector=cap)
    return tried


VOTES: Mapping[str, tuple[str, ...]] = {
    "anchor agreement and tail": ("anchor_agreement", "tail_shape"),
    "probes": ("probe_auc",),
    "log discrepancy and tail": ("log_pseudo_discrepancy", "tail_shape"),
    "discrepancy and tail": ("pseudo_discrepancy", "tail_shape"),
    "probes, log discrepancy and tail": ("probe_auc", "log_pseudo_discrepancy", "tail_shape"),
    "log discrepancy, anchor agreement and tail": (
        "log_pseudo_discrepancy",
        "anchor_agreement",
        "tail_shape",
    ),
    "probes and tail": ("probe_auc", "tail_shape"),
    "excess mass and tail": ("excess_mass", "tail_shape"),
    "probes, anchor agreement and tail": ("probe_auc", "anchor_agreement", "tail_shape"),
    "probes and excess mass": ("probe_auc", "excess_mass"),
    "probes, excess mass and tail": ("probe_auc", "excess_mass", "tail_shape"),
    "probes, excess mass and anchor agreement": ("probe_auc", "excess_mass", "anchor_agreement"),
    "four kinds of evidence": ("probe_auc", "log_pseudo_discrepancy", "anchor_agreement", "tail_shape"),
    "anchor agreement and iterated consensus": ("anchor_agreement", "iterated_consensus"),
    "2 probes, anchor agreement and tail": ("probe_auc=2", "anchor_agreement", "tail_shape"),
}


def variants(judged: JudgedCase, tried: Mapping[tuple[str, str], SelectionConfig]) -> Figures:
    """AUROC of the ensemble and of the best under each selection; absent criteria leave a variant out."""
    pool, table, _ = rank_pool(judged.results, judged.config)
    figures: Figures = {}
    for name, choice in tried.items():
        if any(np.isnan(table[criterion]).all() for criterion in choice.votes):
            continue
        order = rank(pool, table, choice).order
        ranked = [c for c in (pool.evidence.candidates[k] for k in order) if c.is_exportable]
        parts = choose_output(ranked, pool.anchors, choice).parts
        figures[name] = (judged.measure_parts(parts).auroc, judged.measure(judged_scores(ranked[0])).auroc)
    return figures


def arm_means(judged: JudgedCase) -> dict[str, float]:
    """Mean AUROC of TPE's and of the random trials, each detector that has both weighing the same.

    Of a trial counts the candidate with the highest objective: that is what TPE maximises.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for result in judged.searched:
        best = max(result.candidates, key=lambda c: -1 if c.objective is None else c.objective)
        values[result.config.detector][result.config.origin].append(judged.measure(judged_scores(best)).auroc)
    both = [by_arm for by_arm in values.values() if by_arm["sampled"] and by_arm["random"]]
    return {arm: float(np.mean([np.mean(v[arm]) for v in both])) for arm in ("sampled", "random") if both}


def with_members(result: TrialResult, n_members: int) -> TrialResult:
    """The result as the mean of its first members alone would have been."""
    return replace(result, candidates=tuple(_with_members(c, n_members) for c in result.candidates))


def _with_members(candidate: Candidate, n_members: int) -> Candidate:
    means = {name: scores[:n_members].mean(axis=0) for name, scores in candidate.member_scores.items()}
    agreement, jaccard = agreement_of_members(candidate.member_scores["panel"][:n_members])
    return replace(
        candidate,
        panel_scores=means["panel"],
        hindsight_scores=means.get("hindsight"),
        probe_scores={
            name: means.get(f"probe/{name}", scores) for name, scores in candidate.probe_scores.items()
        },
        member_agreement=agreement,
        member_jaccard=jaccard,
    )


def print_regime(
    regime: str, cases: Iterable[Case], per_case: Iterable[tuple[Figures, tuple[float, float]]]
) -> None:
    """Means over tables, seeds averaged first."""
    per_table: dict[str, list[tuple[Figures, tuple[float, float]]]] = defaultdict(list)
    for case, measured in zip(cases, per_case, strict=True):
        per_table[case.dataset].append(measured)
    names = list(dict.fromkeys(name for runs in per_table.values() for f, _ in runs for name in f))
    ends = np.array([np.mean([ends for _, ends in runs], axis=0) for runs in per_table.values()])
    mean, best = ends.mean(axis=0)
    print(f"\n{regime}: {len(per_table)} tables; mean trial {mean:.3f}, best trial {best:.3f}")
    print("| varied | variant | tables | ensemble | gain | best | gain |\n|---|---|---|---|---|---|---|")
    for name in names:
        runs = [[f[name] for f, _ in runs if name in f] for runs in per_table.values()]
        present = [np.mean(values, axis=0) for values in runs if values]
        there = np.array([bool(values) for values in runs])
        print(f"| {name[0]} | {name[1]} | {len(present)} | {_pair(np.array(present), ends[there])} |")


def _pair(values: np.ndarray, ends: np.ndarray) -> str:
    room = (ends[:, 1] - ends[:, 0]).sum()
    cells = []
    for column in values.T:
        if np.isnan(column).all():
            cells += ["", ""]
        elif column.mean() > 1.5:
            cells += [f"{column.mean():.0f}", ""]
        else:
            cells += [f"{column.mean():.3f}", f"{(column - ends[:, 0]).sum() / room:.2f}"]
    return " | ".join(cells)


if __name__ == "__main__":
    main()
