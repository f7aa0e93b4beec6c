"""The story of a search: read, prepare, run the baselines, search, judge, keep."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from automl_ad.config import DataConfig, ExecutorConfig, ExecutorName, HindsightConfig, SearchConfig
from automl_ad.criteria import CRITERIA, Evidence, anchors_of, veto
from automl_ad.data import Table, read_table
from automl_ad.detectors import find_detector
from automl_ad.errors import BudgetTooSmall, ConfigError, StudyError, TrialFailed
from automl_ad.exporting import Exported, export
from automl_ad.preparation import Prepared, prepare
from automl_ad.progress import OnProgress, ProgressLog, ignore_progress
from automl_ad.results import PYOD_PREFIX, Selection, TrialResult, Value
from automl_ad.selection import require_known, select
from automl_ad.space import SearchSpace, load_space
from automl_ad.study import RECORD_FILE, Study
from automl_ad.trial import run_trial
from automl_ad.tuning import AsyncHalving, Baselines, Budget, Executor, LocalExecutor, Sampler, TrialJob

MIN_TRIALS = 5
"""Fewer finished trials than this, baselines not counted, say nothing about a search."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SearchOutcome:
    """A finished search: what was judged, what was chosen, and where it lies."""

    study: Path
    results: tuple[TrialResult, ...]
    selection: Selection
    exported: Exported
    panel_positions: npt.NDArray[np.int64]
    """[N], the panel's rows by their position in the sources."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interrupted:
    """A search that was asked to stop: everything finished is in the study folder."""

    study: Path
    n_finished: int


def search(
    data: DataConfig,
    config: SearchConfig | None = None,
    executor: ExecutorConfig | None = None,
    *,
    output: Path,
    space_files: Sequence[Path] = (),
    resume: bool = False,
    storage: str | None = None,
    hindsight: HindsightConfig | None = None,
    stop: threading.Event | None = None,
    on_progress: OnProgress = ignore_progress,
) -> SearchOutcome | Interrupted:
    """Search detectors for the data without labels, and leave an artifact in the study folder `output`.

    `space_files` take the place of shipped search spaces. `storage` is the URL of a database for the Optuna
    index, else a journal in the folder. `hindsight` has more written down for an evaluation, and changes
    nothing. `stop` asks for an early, clean end. Raises DataError, ConfigError
    (StudyError when `output` is taken or does not fit), NoTrialSucceeded, BudgetTooSmall and ClusterError;
    whatever was finished stays in `output`.
    """
    config, executor, stop = config or SearchConfig(), executor or ExecutorConfig(), stop or threading.Event()
    require_known(config.selection)
    runner = _executor(executor)
    budget = Budget.lasting(config.time_budget_s)
    log = ProgressLog(on_progress)

    log.stage("reading")
    table = read_table(data, seed=config.seed)
    prepared = _prepare(table, config, hindsight or HindsightConfig())
    space = load_space(
        config.preset,
        data_kind=prepared.preprocessor.schema.kind,
        only=config.detectors,
        files=space_files,
    )
    _require_usable(space)
    log.stage("preparing", _sentence_about(table, prepared))

    with _open_study(output, resume, storage, config, data, table, space, prepared) as study:
        job = TrialJob(
            data=prepared.data,
            store=study.store,
            seed=config.seed,
            n_members=config.n_members or space.preset.n_members,
        )
        baselines = Baselines(study, space)
        log.stage("baselines", n_total=len(space.baselines))
        with _threads(executor):
            LocalExecutor().run(run_trial, job, baselines, budget=budget, stop=stop, on_result=log.result)
        anchors = anchors_of(study.store.read_all())
        baselines.settle(anchors)
        if not stop.is_set():
            log.stage("searching", n_total=config.max_trials, finished=_searched(study))
            sampler = Sampler(study, space, config, partial(describe, anchors=anchors))
            searched = _anchored(job, anchors, config)
            with _threads(executor):
                runner.run(run_trial, searched, sampler, budget=budget, stop=stop, on_result=log.result)
        if stop.is_set():
            return Interrupted(study=output, n_finished=len(study.store.numbers()))
        _require_enough(study, config, budget)

        log.stage("judging")
        outcome = _judge_and_keep(study, prepared, table.fingerprint, config)
        log.stage("done")
    return outcome


def _prepare(table: Table, config: SearchConfig, hindsight: HindsightConfig) -> Prepared:
    rows = None if hindsight.rows is None else read_table(hindsight.rows, seed=config.seed)
    return prepare(table, config, hindsight=rows, keeps_members=hindsight.members)


def _anchored(
    job: TrialJob, anchors: Mapping[str, npt.NDArray[np.float64]], config: SearchConfig
) -> TrialJob:
    """The job of the searched trials: their objective needs the anchors, and some schedulers need rungs."""
    halving = AsyncHalving() if config.scheduler == "asha" else None
    rungs = halving.rungs if halving else ()
    return replace(job, data=replace(job.data, anchors=anchors, rungs=rungs), halving=halving)


def _require_usable(space: SearchSpace) -> None:
    """Build what PyOD brings once: it may not be installed, or not know a parameter of the user's file."""
    for name, detector in space.detectors.items():
        if name.startswith(PYOD_PREFIX):
            try:
                find_detector(name).build(detector.defaults(), n_features=2, n_members=1, seed=0)
            except TrialFailed as failure:
                raise ConfigError(
                    failure.message, "look at the parameters in PyOD's documentation"
                ) from failure


def default_executor(address: str | None) -> ExecutorName:
    """Ray with an address or a GPU, else this process."""
    return "ray" if address or torch.cuda.is_available() else "local"


def default_gpus_per_trial() -> float:
    """A quarter of a GPU where this machine has one: small networks leave most of it idle."""
    return 0.25 if torch.cuda.is_available() else 0.0


def describe(result: TrialResult, anchors: Mapping[str, npt.NDArray[np.float64]]) -> Mapping[str, Value]:
    """What a dashboard shows of a trial's best candidate: its veto, or the criteria that need no pool."""
    judged = [c for c in result.candidates if c.objective is not None]
    if not judged:
        return {}
    best = max(judged, key=lambda c: c.objective or 0.0)
    if reason := veto(best, result):
        return {"veto": reason}
    evidence = Evidence.of([best], [result], anchors)
    values = {
        name: float(criterion(evidence)[0])
        for name, criterion in CRITERIA.items()
        if "pool" not in criterion.needs
    }
    return {"veto": "", **{name: value for name, value in values.items() if math.isfinite(value)}}


def _open_study(
    output: Path,
    resume: bool,
    storage: str | None,
    config: SearchConfig,
    data: DataConfig,
    table: Table,
    space: SearchSpace,
    prepared: Prepared,
) -> Study:
    if resume and (output / RECORD_FILE).exists():
        study = Study.resume(
            output,
            config,
            fingerprint=table.fingerprint,
            space=space,
            group_column=data.group_column,
            storage_url=storage,
        )
        _require_same_preparation(study, prepared)
        return study
    return Study.create(
        output,
        config,
        fingerprint=table.fingerprint,
        space=space,
        group_column=data.group_column,
        documents={
            "data": {**asdict(data), "files": table.sources, "fingerprint": table.fingerprint},
            "preprocessing": prepared.preprocessor.to_json(),
        },
        arrays={
            "preprocessing": prepared.preprocessor.arrays(),
            "panel": {"positions": prepared.panel_positions},
        },
        storage_url=storage,
    )


def _require_same_preparation(study: Study, prepared: Prepared) -> None:
    """Refuse to mix trials that saw differently scaled rows, or another panel, in one study."""
    now, then = prepared.preprocessor.arrays(), study.arrays("preprocessing")
    is_same = now.keys() == then.keys() and all(np.array_equal(now[name], then[name]) for name in now)
    if not is_same or not np.array_equal(prepared.panel_positions, study.arrays("panel")["positions"]):
        study.close()
        raise StudyError(
            f"{study.path} must be resumed with the preprocessing it began with, got another one",
            f"install the versions that {RECORD_FILE} names, or begin a new study with another --output",
        )


def _executor(config: ExecutorConfig) -> Executor:
    if config.name == "ray":
        from automl_ad.tuning.ray import RayExecutor

        return RayExecutor(config)
    if config.gpus_per_trial and not torch.cuda.is_available():
        raise ConfigError(
            f"--gpus-per-trial must be 0 without a GPU, got {config.gpus_per_trial:g}",
            "leave it out, or search on a cluster with --address",
        )
    return LocalExecutor(device="cuda" if config.gpus_per_trial else "cpu")


@contextmanager
def _threads(config: ExecutorConfig) -> Iterator[None]:
    """As many torch threads as a trial has CPUs.

    Small networks are bound by overhead, and one thread is what makes a trial reproducible.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, int(config.cpus_per_trial)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _searched(study: Study) -> list[TrialResult]:
    return [result for result in study.store.read_all() if result.config.origin != "baseline"]


def _judge_and_keep(
    study: Study, prepared: Prepared, fingerprint: str, config: SearchConfig
) -> SearchOutcome:
    """Select among everything the study holds, and write the artifacts."""
    results = tuple(study.store.read_all())
    selection = select(results, config)
    study.index.annotate("best", str(selection.best))
    study.index.annotate("verdict", selection.verdict)
    return SearchOutcome(
        study=study.path,
        results=results,
        selection=selection,
        exported=export(
            selection,
            results,
            study,
            prepared.preprocessor,
            fingerprint,
            config,
            panel_groups=prepared.panel_groups,
        ),
        panel_positions=prepared.panel_positions,
    )


def _require_enough(study: Study, config: SearchConfig, budget: Budget) -> None:
    n_finished = sum(result.state != "failed" for result in _searched(study))
    minimum = min(MIN_TRIALS, config.max_trials)
    if budget.is_over() and n_finished < minimum:
        raise BudgetTooSmall(
            f"a search must finish at least {minimum} trials, got {n_finished} within --time-budget "
            f"{config.time_budget_s:g} s",
            f"they are kept in {study.path}: go on with --resume and a larger --time-budget",
        )


def _sentence_about(table: Table, prepared: Prepared) -> str:
    """What was read and what became of it, for the user's eyes."""
    schema = prepared.preprocessor.schema
    n_rows, n_panel = len(prepared.data.rows_ND), len(prepared.data.panel_ND)
    dropped = "; ".join(f"dropped {column.name!r}: {column.reason}" for column in schema.dropped)
    sampled = f" of {table.n_source_rows:,}" if table.n_source_rows > table.columns.num_rows else ""
    groups_N = prepared.data.groups_N
    groups = "" if groups_N is None else f", {groups_N.max() + 1:,} groups"
    sentence = (
        f"{table.columns.num_rows:,}{sampled} rows, {n_rows:,} fitted, panel of {n_panel:,}, "
        f"{len(schema.features)} features encoded as {prepared.data.rows_ND.shape[1]}{groups}"
    )
    return f"{sentence}; {dropped}" if dropped else sentence
