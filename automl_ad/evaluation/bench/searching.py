"""The searches of a benchmark, each kept in a folder of its own: what is finished is never run again.

OUTPUT/cases/DATASET/REGIME/seed-N/ holds `fit.parquet`, `test.parquet` and the study. Labels are not in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from automl_ad.config import DataConfig, HindsightConfig, Preset, SearchConfig
from automl_ad.errors import AutomlADError, StudyError
from automl_ad.evaluation.bench.tables import Case, CaseTable, is_written, make_table, write_case
from automl_ad.evaluation.bench.workers import run_in_processes
from automl_ad.searching import search
from automl_ad.study import RECORD_FILE, StudyFolder
from automl_ad.study.record import MAY_CHANGE

CASES_FOLDER = "cases"
STUDY_FOLDER = "study"
DONE_FILE = "searched-trials"
"""Holds how many trials the finished search had."""

OnCase = Callable[[Case, float, str], None]
"""(case, seconds, why it failed or "")."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchConfig:
    """What every search of a benchmark has in common."""

    label_column: str = "label"
    preset: Preset = "balanced"
    max_trials: int = 64
    max_rows: int = 2_000
    random_share: float = 0.25
    """1 makes every sample random: the arm that TPE is compared with."""
    keeps_members: bool = False
    n_jobs: int = 1

    def search_config(self, case: Case) -> SearchConfig:
        """The settings of one search."""
        return SearchConfig(
            preset=self.preset,
            max_trials=self.max_trials,
            seed=case.seed,
            training_data="clean" if case.regime == "clean" else "unknown",
            panel_rows=self.max_rows,
            random_share=self.random_share,
        )

    def table(self, case: Case) -> CaseTable:
        """The rows and labels of one case."""
        return make_table(case, label_column=self.label_column, max_rows=self.max_rows)


def case_folder(output: Path, case: Case) -> Path:
    """Where one case lies."""
    return output / CASES_FOLDER / case.folder


def search_cases(
    cases: Sequence[Case], config: BenchConfig, output: Path, on_case: OnCase
) -> dict[Case, str]:
    """Search every case that is not finished yet, `n_jobs` at a time; the cases that failed, with reasons.

    A case that fails on its data leaves the others alone; a bug of ours is raised.
    """
    failures: dict[Case, str] = {}

    def note(case: Case, ended: tuple[float, str]) -> None:
        seconds, reason = ended
        if reason:
            failures[case] = reason
        on_case(case, seconds, reason)

    run_in_processes(partial(search_case, config=config, output=output), cases, config.n_jobs, note)
    return failures


def search_case(case: Case, config: BenchConfig, output: Path) -> tuple[float, str]:
    """(seconds, why it failed or ""); 0 seconds when the search was finished before.

    A search of other rows or with other settings fails: trials would be mixed, or judged by wrong labels.
    """
    folder, started = case_folder(output, case), time.perf_counter()
    try:
        _lay_out(case, config, folder)
        if n_trials_done(folder) >= config.max_trials:
            _require_same_settings(case, config, folder)
            return 0.0, ""
        _search(case, config, folder)
    except AutomlADError as error:
        return time.perf_counter() - started, error.message
    (folder / DONE_FILE).write_text(f"{config.max_trials}\n")
    return time.perf_counter() - started, ""


def n_trials_done(folder: Path) -> int:
    """Trials that a finished search had; 0 when there is none."""
    path = folder / DONE_FILE
    return int(path.read_text()) if path.exists() else 0


def _lay_out(case: Case, config: BenchConfig, folder: Path) -> None:
    """Write the case's rows, or make sure that a search which has begun saw just these."""
    table = config.table(case)
    if not (folder / STUDY_FOLDER / RECORD_FILE).exists():
        write_case(folder, table)
    elif not is_written(folder, table):
        raise StudyError(
            f"{folder} must hold the rows of {case.path} with --max-rows {config.max_rows}, got others",
            "give another --output",
        )


def _require_same_settings(case: Case, config: BenchConfig, folder: Path) -> None:
    """What `search` asks of a study that it resumes, of one that is finished."""
    was = asdict(StudyFolder.read(folder / STUDY_FOLDER).record.config)
    now = asdict(config.search_config(case))
    differences = [
        f"{name}={now[name]!r} (was {was[name]!r})"
        for name in now
        if now[name] != was[name] and name not in ("max_trials", *MAY_CHANGE)
    ]
    if differences:
        raise StudyError(
            f"{folder} must be searched as it was begun, got {', '.join(differences)}",
            "give another --output",
        )


def _search(case: Case, config: BenchConfig, folder: Path) -> None:
    def rows(path: Path) -> DataConfig:
        return DataConfig(sources=(str(path),), max_rows=config.max_rows)

    test = folder / "test.parquet"
    search(
        rows(folder / "fit.parquet"),
        config.search_config(case),
        output=folder / STUDY_FOLDER,
        resume=True,
        hindsight=HindsightConfig(rows=rows(test) if test.exists() else None, members=config.keeps_members),
    )
