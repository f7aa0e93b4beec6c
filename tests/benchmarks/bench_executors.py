"""Wall time of a search on Ray with two workers against the local executor.

DESIGN 6: 30 or more trials of 1 s or more, one thread each, start-up of Ray excluded: at most 0.65.

    python tests/benchmarks/bench_executors.py

A trial is a fixed number of hash rounds, about a second of one core with the GIL released, so that nothing
but the executors differs. Ray's start-up is over, and the clock starts, when the second worker has its first
trial. The ratio needs two idle cores; the busy shares hold on a machine with neighbours too, and say what the
executors themselves cost.
"""

import argparse
import hashlib
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from automl_ad.config import ExecutorConfig, SearchConfig
from automl_ad.results import Candidate, CandidateKey, TrialConfig, TrialResult
from automl_ad.space import load_space
from automl_ad.study import Study
from automl_ad.tuning import Budget, Executor, LocalExecutor, Sampler, TrialJob

BAR = 0.65
BLOCK = bytes(10_000_000)


def work(config, data, *, number, seed, **_):
    """One trial; `reason` says when it began and ended."""
    began = time.time()
    for _ in range(data["n_rounds"]):
        hashlib.sha256(data["block"]).digest()
    candidate = Candidate(
        key=CandidateKey(trial=number, score_type="distance", checkpoint=0),
        detector=config.detector,
        panel_scores=np.zeros(2000, np.float32),
        objective=1 / (1 + number),
    )
    return TrialResult(
        trial=number,
        config=TrialConfig(detector=config.detector, params=config.params, origin=config.origin),
        seed=seed,
        state="completed",
        candidates=(candidate,),
        weights={0: {"w": np.zeros(100_000)}},
        reason=f"{began} {time.time()}",
    )


def rounds_per_second() -> float:
    """How many hash rounds one undisturbed core does in a second."""
    started = time.perf_counter()
    for _ in range(100):
        hashlib.sha256(BLOCK).digest()
    return 100 / (time.perf_counter() - started)


def measured(executor: Executor, n_trials: int, n_rounds: int, n_workers: int) -> tuple[float, float]:
    """Wall seconds per trial, and the share of it in which a worker works, while all workers are there."""
    space = load_space("fast", data_kind="tabular", only=("knn", "gmm", "pca"))
    config = SearchConfig(max_trials=n_trials)
    with (
        tempfile.TemporaryDirectory() as folder,
        Study.create(Path(folder) / "study", config, fingerprint="", space=space) as study,
    ):
        executor.run(
            work,
            TrialJob(data={"n_rounds": n_rounds, "block": BLOCK}, store=study.store, seed=0, n_members=1),
            Sampler(study, space, config),
            budget=Budget(),
            stop=threading.Event(),
            on_result=lambda _: None,
        )
        spans = sorted(tuple(map(float, result.reason.split())) for result in study.store.read_all())
    busy_from, over_at = spans[n_workers - 1][0], max(end for _, end in spans)
    # A trial that had already begun counts with the share of it that was still to do.
    work_left = [(end - max(begin, busy_from), end - begin) for begin, end in spans if end > busy_from]
    wall = over_at - busy_from
    n_done = sum(left / whole for left, whole in work_left)
    return wall / n_done, sum(left for left, _ in work_left) / (n_workers * wall)


def main() -> None:
    """Print both wall times and their ratio."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=34)
    parser.add_argument("--seconds", type=float, default=1.5, help="work of one trial on one idle core")
    arguments = parser.parse_args()

    from automl_ad.tuning.ray import RayExecutor

    n_rounds = round(arguments.seconds * rounds_per_second())
    ray_executor = RayExecutor(ExecutorConfig(name="ray", max_concurrent=2))
    local, local_busy = measured(LocalExecutor(), arguments.trials, n_rounds, n_workers=1)
    on_ray, ray_busy = measured(ray_executor, arguments.trials, n_rounds, n_workers=2)
    print(f"local              {local:.2f} s per trial, worker busy {local_busy:.1%}")
    print(f"Ray with 2 workers {on_ray:.2f} s per trial, workers busy {ray_busy:.1%}")
    print(f"ratio {on_ray / local:.2f}, bar {BAR}")
    print(f"ratio with two undisturbed cores {0.5 * local_busy / ray_busy:.2f}, from the shares alone")


if __name__ == "__main__":
    main()
