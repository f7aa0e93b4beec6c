"""Seconds of criteria and selection: 1,280 candidates, 2,000 panel rows, one core (DESIGN 6: under 20 s).

Beside it the consensus of a part of the pool, by matrix products and by a loop over pairs with scipy, in the
same run. `OMP_NUM_THREADS=1 python tests/benchmarks/bench_selection.py`
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import spearmanr

from automl_ad.config import SearchConfig
from automl_ad.criteria import ANCHOR_DETECTORS, CRITERIA, Evidence, anchors_of
from automl_ad.results import Candidate, CandidateKey, TrialConfig, TrialResult
from automl_ad.selection import select
from automl_ad.selection.aggregation import AGGREGATORS

GENERATORS = ("gauss", "uniform", "marginals", "subset", "scale", "noise", "spike", "mix")
N_CHECKPOINTS, N_SCORE_TYPES = 4, 4


def main() -> None:
    """Print what the two regimes take, and the ratio to the loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=1280)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--pairs-of", type=int, default=48, help="candidates in the per-pair loop")
    options = parser.parse_args()
    results = make_results(options.candidates, options.rows)
    before = peak_mib()
    n_candidates = sum(len(result.candidates) for result in results)
    print(f"{n_candidates} candidates x {options.rows} rows; seconds of CPU (of wall time)")
    pool = [c for result in results for c in result.candidates]
    for training_data in ("unknown", "clean"):
        print_shares(results, pool, SearchConfig(training_data=training_data))
    print(f"memory on top of imports and data: {peak_mib() - before:.0f} MiB")
    evidence = Evidence.of(pool, results, anchors_of(results))
    for name, criterion in CRITERIA.items():
        print(f"{name}: {timed(lambda criterion=criterion: criterion(evidence))}")
    votes = list(np.random.default_rng(0).random((4, len(pool))) + np.linspace(0, 1, len(pool)))
    for name, aggregate in AGGREGATORS.items():
        print(f"{name} of {len(votes)} votes: {timed(lambda aggregate=aggregate: aggregate(votes, None))}")
    compare_with_pairs(pool[:: max(1, len(pool) // options.pairs_of)], results)


def print_shares(results: list[TrialResult], pool: list[Candidate], config: SearchConfig) -> None:
    """Print seconds of a whole selection, and how much of them goes into ranking scores and into criteria."""
    whole = timed(lambda: select(results, config))
    ranked = timed(lambda: Evidence.of(pool, results, anchors_of(results)))
    evidence = Evidence.of(pool, results, anchors_of(results))
    judged = timed(lambda: [criterion(evidence) for criterion in CRITERIA.values()])
    shares = [part.cpu / whole.cpu for part in (ranked, judged)]
    print(
        f"select, {config.training_data}: {whole}; ranking the scores {ranked}, {shares[0]:.0%}; "
        f"criteria {judged}, {shares[1]:.0%}; veto, votes, comparison and findings {1 - sum(shares):.0%}"
    )


def compare_with_pairs(pool: list[Candidate], results: list[TrialResult]) -> None:
    """Print seconds of both ways to a consensus, and their ratio."""
    fast = timed(lambda: CRITERIA["consensus"](Evidence.of(pool, results, {})))
    slow = timed(lambda: [spearmanr(a.panel_scores, b.panel_scores).statistic for a in pool for b in pool])
    print(f"consensus of {len(pool)}: {fast}, pair by pair {slow}, ratio {slow.cpu / fast.cpu:.0f}")


def make_results(n_candidates: int, n_rows: int) -> list[TrialResult]:
    """Five anchors, and trials of eight detectors with 16 candidates each, all seeing one truth."""
    rng = np.random.default_rng(0)
    truth = rng.exponential(size=n_rows)
    anchors = [
        make_result(number, name, "baseline", truth, rng) for number, name in enumerate(ANCHOR_DETECTORS)
    ]
    n_trials = -(-n_candidates // (N_CHECKPOINTS * N_SCORE_TYPES))
    searched = [
        make_result(len(anchors) + number, f"deep_{number % 8}", "sampled", truth, rng)
        for number in range(n_trials)
    ]
    return anchors + searched


def make_result(
    number: int, detector: str, origin: str, truth: np.ndarray, rng: np.random.Generator
) -> TrialResult:
    """One trial; a searched one has every checkpoint and score type, a baseline one candidate."""
    checkpoints = (0,) if origin == "baseline" else tuple(range(10, 10 * N_CHECKPOINTS + 1, 10))
    score_types = range(1 if origin == "baseline" else N_SCORE_TYPES)
    candidates = tuple(
        Candidate(
            key=CandidateKey(trial=number, score_type=f"score_{score_type}", checkpoint=checkpoint),
            detector=detector,
            panel_scores=(truth + rng.exponential(size=len(truth))).astype(np.float32),
            probe_scores={
                name: rng.exponential(2, size=len(truth) // 4).astype(np.float32) for name in GENERATORS
            },
            member_agreement=0.9,
            member_jaccard=0.5,
        )
        for checkpoint in checkpoints
        for score_type in score_types
    )
    return TrialResult(
        trial=number,
        config=TrialConfig(detector=detector, params={}, origin=origin),
        seed=0,
        state="completed",
        candidates=candidates,
        losses=None if origin == "baseline" else np.ones((4, 40), np.float32),
        kept_checkpoints=checkpoints,
    )


def peak_mib() -> float:
    """Largest resident size of this process so far; Linux reports it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Seconds(NamedTuple):
    """What some work took: CPU time of this process, which other processes do not lengthen, and wall time."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.3f} s ({self.wall:.3f})"


def timed(work: Callable[[], object]) -> Seconds:
    """Seconds of one run."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Seconds(cpu=time.process_time() - cpu, wall=time.perf_counter() - wall)


if __name__ == "__main__":
    main()
