"""From finished searches to a report: every case read back, measured, and compared with its peers.

Nothing is trained here, so that criteria and selections can be changed and measured again in minutes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from automl_ad.data import Preprocessor
from automl_ad.errors import NoTrialSucceeded
from automl_ad.evaluation.bench.cases import JudgedCase, read_case
from automl_ad.evaluation.bench.records import DatasetOutcome
from automl_ad.evaluation.bench.rows import make_rows
from automl_ad.evaluation.bench.searching import STUDY_FOLDER, BenchConfig, case_folder
from automl_ad.evaluation.bench.tables import Case
from automl_ad.evaluation.bench.workers import run_in_processes
from automl_ad.evaluation.peers import PEERS, peer_scores
from automl_ad.results import Metrics
from automl_ad.study import StudyFolder

PEERS_FILE = "peers.json"
PEER_PREFIX = "peer: "


def judge_cases(
    cases: Sequence[Case], config: BenchConfig, output: Path, *, with_peers: bool = True
) -> list[DatasetOutcome | str]:
    """For each case, in order, its outcome, or why there is none."""
    judge = partial(judge_case, config=config, output=output, with_peers=with_peers)
    outcomes: dict[Case, DatasetOutcome | str] = {}
    run_in_processes(judge, cases, config.n_jobs, outcomes.__setitem__)
    return [outcomes[case] for case in cases]


def judge_case(case: Case, *, config: BenchConfig, output: Path, with_peers: bool) -> DatasetOutcome | str:
    """The outcome of one finished case, or a sentence when nothing of it can be selected."""
    judged = read_case(case, config, output)
    try:
        rows, criteria, notes = make_rows(judged)
    except NoTrialSucceeded as error:
        return error.message
    if with_peers:
        peers, reasons = _peers(judged, case_folder(output, case))
        rows, notes = rows | peers, notes | reasons
    return DatasetOutcome(
        dataset=case.dataset,
        family=case.dataset,
        regime=case.regime_name,
        seed=case.seed,
        n_rows=len(judged.labels_N),
        n_anomalies=int(judged.labels_N.sum()),
        n_trials=len(judged.searched),
        seconds=sum(result.seconds for result in judged.results),
        rows=rows,
        criteria=criteria,
        notes=notes,
    )


def _peers(judged: JudgedCase, folder: Path) -> tuple[dict[str, Metrics], dict[str, str]]:
    """Peer -> metrics, and peer -> why it is absent; computed once and kept beside the case."""
    path = folder / PEERS_FILE
    if not path.exists():
        found, reasons = _measure_peers(judged, folder)
        plain = {name: [m.auroc, m.average_precision] for name, m in found.items()}
        path.write_text(json.dumps({"metrics": plain, "absent": reasons}, indent=2) + "\n")
    document = json.loads(path.read_text())
    rows = {
        f"{PEER_PREFIX}{name}": Metrics(auroc=auroc, average_precision=precision)
        for name, (auroc, precision) in document["metrics"].items()
    }
    return rows, {f"{PEER_PREFIX}{name}": reason for name, reason in document["absent"].items()}


def _measure_peers(judged: JudgedCase, folder: Path) -> tuple[dict[str, Metrics], dict[str, str]]:
    study = StudyFolder.read(folder / STUDY_FOLDER)
    preprocessor = Preprocessor.from_parts(study.document("preprocessing"), study.arrays("preprocessing"))

    def scaled(columns: pa.Table) -> np.ndarray:
        return preprocessor.scale(preprocessor.encode(columns), "zscore")

    fit_ND = scaled(pq.read_table(folder / "fit.parquet"))
    test = folder / "test.parquet"
    test_ND = scaled(pq.read_table(test)) if test.exists() else fit_ND
    scores, reasons = peer_scores(fit_ND, test_ND, judged.case.seed, PEERS)
    return {name: judged.measure(scores_N) for name, scores_N in scores.items()}, reasons
