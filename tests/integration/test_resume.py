"""A study killed with SIGKILL, again and again, loses no finished trial and repeats none."""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import optuna
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from automl_ad.study import StudyFolder

N_TRIALS = 30

PROGRAM = """
import sys, threading, time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from automl_ad.config import SearchConfig
from automl_ad.results import Candidate, CandidateKey, TrialResult
from automl_ad.space import load_space
from automl_ad.study import Study
from automl_ad.tuning import Baselines, Budget, LocalExecutor, Sampler, TrialJob

study_path, data_path, log_path = map(Path, sys.argv[1:])
table = pq.read_table(data_path)
rows_ND = np.column_stack([column.to_numpy() for column in table.columns])
space = load_space("fast", data_kind="tabular", only=("knn", "gmm"))
config = SearchConfig(max_trials=30)


def distances(config, data, *, number, seed, n_members, report, device):
    time.sleep(0.02)
    scores = np.linalg.norm(data - np.median(data, axis=0), axis=1).astype(np.float32)
    key = CandidateKey(trial=number, score_type="distance", checkpoint=0)
    candidate = Candidate(key=key, detector=config.detector, panel_scores=scores, objective=1 / (1 + number))
    return TrialResult(
        trial=number, config=config, seed=seed, state="completed", candidates=(candidate,),
        weights={0: {"scores": np.tile(scores, (20, 1))}},
    )


def log(result):
    with log_path.open("a") as file:
        file.write(f"{result.trial}\\n")


open_study = Study.resume if (study_path / "study.json").exists() else Study.create
with open_study(study_path, config, fingerprint="f", space=space) as study:
    job = TrialJob(data=rows_ND, store=study.store, seed=0, n_members=1)
    for proposer in (Baselines(study, space), Sampler(study, space, config)):
        LocalExecutor().run(
            distances, job, proposer, budget=Budget(), stop=threading.Event(), on_result=log
        )
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    pq.write_table(pa.table({name: rng.normal(size=200) for name in "abc"}), tmp_path / "data.parquet")
    paths = (tmp_path / name for name in ("study", "data.parquet", "log"))
    return [sys.executable, "-c", PROGRAM, *map(str, paths)]


def finished_before(process: subprocess.Popen[bytes], trials: Path, n: int) -> bool:
    """Wait for n results; whether the process ended by itself before."""
    while process.poll() is None:
        if trials.exists() and sum(path.name.isdigit() for path in trials.iterdir()) >= n:
            return False
        time.sleep(0.005)
    assert process.returncode == 0
    return True


def written(trials: Path) -> dict[str, int]:
    """Finished trial -> when its result was written."""
    return {path.parent.name: path.stat().st_mtime_ns for path in trials.glob("[0-9]*/result.json")}


def test_sigkill_loses_and_repeats_nothing(command, tmp_path):
    trials = tmp_path / "study" / "trials"
    rng = np.random.default_rng(1)
    for n_results in (1, 7, 16, 30):
        with subprocess.Popen(command) as process:
            assert not finished_before(process, trials, n_results)
            time.sleep(rng.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
        written_before = written(trials)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")

    folder = StudyFolder.read(tmp_path / "study")
    results = folder.store.read_all()
    repeated = [
        key
        for key, n in Counter((r.config.detector, tuple(r.config.params.items())) for r in results).items()
        if n > 1
    ]
    assert repeated == []
    assert sum(result.config.origin != "baseline" for result in results) == N_TRIALS
    assert written_before.items() <= written(trials).items()
    announced = [int(line) for line in (tmp_path / "log").read_text().split()]
    assert len(set(announced)) == len(announced)
    assert set(announced) <= set(folder.store.numbers())

    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study" / "journal.log")))
    shown = optuna.load_study(study_name=folder.record.name, storage=storage).trials
    complete = {trial.number for trial in shown if trial.state == TrialState.COMPLETE}
    assert complete == set(folder.store.numbers())
    assert {trial.state for trial in shown} <= {TrialState.COMPLETE, TrialState.FAIL}
