"""The searches of a benchmark, each kept in a folder of its own: what is finished is never run again.

OUTPUT/cases/DATASET/REGIME/seed-N/ holds `fit.parquet`, `test.parquet` and the study. Labels are not in it.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from automl_ad.config import DataConfig, HindsightConfig, Preset, SearchConfig
from automl_ad.errors import AutomlADError, BudgetTooSmall
from automl_ad.evaluation.bench.tables import Case, CaseTable, make_table, write_case
from automl_ad.searching import search

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
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(config.n_jobs, mp_context=context, initializer=_leave_signals_alone) as pool:
        futures = {pool.submit(search_case, case, config, output): case for case in cases}
        try:
            for future in as_completed(futures):
                seconds, reason = future.result()
                if reason:
                    failures[futures[future]] = reason
                on_case(futures[future], seconds, reason)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list((pool._processes or {}).values()):
                process.terminate()
            raise
    return failures


def search_case(case: Case, config: BenchConfig, output: Path) -> tuple[float, str]:
    """(seconds, why it failed or ""). Does nothing when the search is finished."""
    folder, started = case_folder(output, case), time.perf_counter()
    if n_trials_done(folder) >= config.max_trials:
        return 0.0, ""
    try:
        _search(case, config, folder)
    except BudgetTooSmall:
        raise
    except AutomlADError as error:
        return time.perf_counter() - started, str(error)
    (folder / DONE_FILE).write_text(f"{config.max_trials}\n")
    return time.perf_counter() - started, ""


def n_trials_done(folder: Path) -> int:
    """Trials that a finished search had; 0 when there is none."""
    path = folder / DONE_FILE
    return int(path.read_text()) if path.exists() else 0


def _search(case: Case, config: BenchConfig, folder: Path) -> None:
    table = config.table(case)
    if not (folder / "fit.parquet").exists():
        write_case(folder, table)
    test = folder / "test.parquet"
    max_rows = max(config.max_rows, 20)
    search(
        DataConfig(sources=(str(folder / "fit.parquet"),), max_rows=max_rows),
        config.search_config(case),
        output=folder / STUDY_FOLDER,
        resume=True,
        hindsight=HindsightConfig(
            rows=DataConfig(sources=(str(test),), max_rows=max_rows) if table.test is not None else None,
            members=config.keeps_members,
        ),
    )


def _leave_signals_alone() -> None:
    """Ctrl-C reaches every process of the terminal; the driver ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
