"""`automl-ad search`: choose a detector for a dataset, and print how the candidates compare."""

from __future__ import annotations

import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_ad.cli.registering import REGISTRY, Registered, RegistryOption, register, require_registrable
from automl_ad.config import (
    Aggregation,
    Combination,
    DataConfig,
    EarlyStopping,
    ExecutorConfig,
    ExecutorName,
    Preset,
    Scheduler,
    SearchConfig,
    SelectionConfig,
    ThresholdRule,
    TrainingData,
)
from automl_ad.errors import ConfigError, DataError

if TYPE_CHECKING:
    from automl_ad.results import Audit
    from automl_ad.searching import Interrupted, SearchOutcome

EXIT_NOT_DISTINGUISHABLE = 5
WIDTH_OF_FILES = 160
"""Columns of a table that does not go to a terminal."""
_UNITS_S = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str) -> float:
    """Seconds.

    >>> parse_duration("10m"), parse_duration("1.5h"), parse_duration("45")
    (600.0, 5400.0, 45.0)
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None:
        raise ConfigError(
            f"a duration must be a number with an optional unit s, m, h or d, got {text!r}",
            "write for example 10m",
        )
    return float(match[1]) * _UNITS_S[match[2]]


def search(
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Parquet or CSV files, globs, folders or URIs (s3://...).", show_default=False),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Search scikit-learn's breast-cancer table (no download).")
    ] = False,
    label_column: Annotated[
        str | None, typer.Option(help="Hidden from the search; used for an audit after selection.")
    ] = None,
    id_column: Annotated[str | None, typer.Option(help="Names the rows; never a feature.")] = None,
    group_column: Annotated[
        str | None,
        typer.Option(help="Category of each row; never a feature; used by detectors that know groups."),
    ] = None,
    drop: Annotated[list[str] | None, typer.Option(help="A column to leave out; repeatable.")] = None,
    max_rows: Annotated[int, typer.Option(help="More rows than this are sampled.")] = 20_000,
    preset: Annotated[Preset, typer.Option(help="Which detectors, and how long they train.")] = "balanced",
    detector: Annotated[
        list[str] | None,
        typer.Option(help="Search only this detector; repeatable. `pyod:<module>` takes one of PyOD's."),
    ] = None,
    space: Annotated[
        list[Path] | None,
        typer.Option(
            help="A search-space file of your own, uncapped, in place of the shipped one; repeatable."
        ),
    ] = None,
    max_trials: Annotated[int, typer.Option(help="Trials on top of the baseline rows.")] = 40,
    time_budget: Annotated[str | None, typer.Option(help="For example 90s, 10m, 2h.")] = None,
    seed: Annotated[int, typer.Option(help="One seed for the whole study.")] = 0,
    training_data: Annotated[
        TrainingData, typer.Option(help="`clean`: you know that the data hold no anomalies.")
    ] = "unknown",
    contamination: Annotated[
        float | None, typer.Option(help="Assumed share of anomalies; sets the threshold only.")
    ] = None,
    alert_rate: Annotated[
        float | None, typer.Option(help="Share of rows to flag; sets the threshold only; default: 0.01.")
    ] = None,
    threshold: Annotated[
        ThresholdRule | None,
        typer.Option(
            help="Rule of the threshold: the quantile at the rate, the `pot` tail fitted to the highest "
            "scores (for rates below one row), or `ema`, mean and deviation; default: by the rate given."
        ),
    ] = None,
    combine: Annotated[
        Combination,
        typer.Option(help="How the output's parts become one score: their mean, or a majority `vote`."),
    ] = "mean",
    rank_by: Annotated[
        list[str] | None,
        typer.Option(help="A criterion that votes on the ranking, or CRITERION=WEIGHT; repeatable."),
    ] = None,
    aggregate: Annotated[Aggregation, typer.Option(help="How votes become one ranking.")] = "borda",
    n_parts: Annotated[
        int, typer.Option("--parts", help="Candidates in the output, beside the anchors.")
    ] = 5,
    early_stopping: Annotated[
        EarlyStopping,
        typer.Option(help="How a deep trial ends itself: by its loss `entropy`, or by a stable order."),
    ] = "none",
    scheduler: Annotated[
        Scheduler, typer.Option(help="`asha`: stop deep trials that are behind others of their detector.")
    ] = "none",
    members: Annotated[
        int | None, typer.Option(help="Networks of one configuration trained at once; default: the preset's.")
    ] = None,
    panel_rows: Annotated[int, typer.Option(help="Rows on which every candidate is judged.")] = 2_000,
    executor: Annotated[
        ExecutorName | None,
        typer.Option(help="Where trials run; default: ray with --address or a GPU, else local."),
    ] = None,
    address: Annotated[str | None, typer.Option(help="Ray cluster: `auto` or HOST:PORT.")] = None,
    max_concurrent: Annotated[int | None, typer.Option(help="Trials at a time (ray).")] = None,
    cpus_per_trial: Annotated[float, typer.Option(help="CPUs of one trial (ray).")] = 1.0,
    gpus_per_trial: Annotated[
        float | None,
        typer.Option(help="GPUs of one trial; default: 0.25 if there is one."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The study's folder; default: study-<name of the data>.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an existing study.")] = False,
    storage: Annotated[
        str | None,
        typer.Option(
            envvar="AUTOML_AD_STORAGE", help="Database URL for the Optuna index; default: a journal file."
        ),
    ] = None,
    register_as: Annotated[
        str | None,
        typer.Option("--register", metavar="NAME", help="Add the artifact to the registry as this model."),
    ] = None,
    registry: RegistryOption = REGISTRY,
    keep_bytes: Annotated[int, typer.Option(help="Most bytes of weights to keep.")] = 2_000_000_000,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of tables.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Search detectors for DATA without labels; the last line on stdout is the artifact's path."""
    from automl_ad.cli.progress import ProgressPrinter
    from automl_ad.searching import Interrupted, default_executor, default_gpus_per_trial
    from automl_ad.searching import search as run_search

    if register_as is not None:
        require_registrable(register_as, registry)
    study = output or _default_output(data, demo)
    if demo:
        data, label_column = _write_demo(data, study), "malignant"
    data_config = DataConfig(
        sources=tuple(data or ()),
        label_column=label_column,
        id_column=id_column,
        group_column=group_column,
        drop=tuple(drop or ()),
        max_rows=max_rows,
    )
    config = SearchConfig(
        preset=preset,
        max_trials=max_trials,
        time_budget_s=parse_duration(time_budget) if time_budget else None,
        seed=seed,
        training_data=training_data,
        n_members=members,
        panel_rows=panel_rows,
        contamination=contamination,
        alert_rate=alert_rate,
        threshold=threshold,
        combine=combine,
        selection=SelectionConfig(rank_by=tuple(rank_by or ()), aggregate=aggregate, n_parts=n_parts),
        early_stopping=early_stopping,
        scheduler=scheduler,
        keep_bytes=keep_bytes,
        detectors=tuple(detector) if detector else None,
    )
    executor_config = ExecutorConfig(
        name=executor or default_executor(address),
        address=address,
        max_concurrent=max_concurrent,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=default_gpus_per_trial() if gpus_per_trial is None else gpus_per_trial,
    )
    with _stop_on_signals() as stop, ProgressPrinter(enabled=not quiet) as progress:
        outcome = run_search(
            data_config,
            config,
            executor_config,
            output=study,
            space_files=tuple(space or ()),
            resume=resume,
            storage=storage,
            stop=stop.event,
            on_progress=progress,
        )
    if isinstance(outcome, Interrupted):
        raise typer.Exit(_report_interruption(outcome, stop))
    artifact = outcome.exported.artifact
    registered = register(register_as, artifact, registry) if register_as else None
    _print_outcome(outcome, data_config, registered, as_json=as_json)
    if registered is not None and registered.error is not None:
        raise registered.error
    if not outcome.selection.is_distinguishable:
        raise typer.Exit(EXIT_NOT_DISTINGUISHABLE)


def _default_output(data: list[str] | None, demo: bool) -> Path:
    """`study-` and the last part of the first source that is a plain name.

    >>> str(_default_output(["s3://bucket/sales/day=*/*.parquet"], demo=False))
    'study-sales'
    """
    source = (data or [""])[0].rpartition("://")[2]
    parts = [part for part in Path(source).parts if not set(part) & set("*?[]=/") and part.strip(".")]
    return Path("study-demo" if demo else f"study-{Path(parts[-1]).stem if parts else 'data'}")


def _write_demo(data: list[str] | None, study: Path) -> list[str]:
    """The demo's table, written beside the study so that it walks the road of a user's file."""
    from automl_ad.data.demo import write_demo_table

    if data:
        raise ConfigError(f"--demo brings its own data, got {data[0]!r} as well", "leave out one of the two")
    return [str(write_demo_table(study.with_name(study.name + ".parquet")))]


class _Stop:
    """A flag raised by the first SIGINT or SIGTERM; a second one ends the process at once."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.signal_number: int | None = None

    def __call__(self, signal_number: int, _frame: object) -> None:
        if self.event.is_set():
            raise SystemExit(128 + signal_number)
        self.signal_number = signal_number
        self.event.set()
        print("\nautoml-ad: stopping after the running step; once more to stop at once", file=sys.stderr)


@contextmanager
def _stop_on_signals() -> Iterator[_Stop]:
    stop = _Stop()
    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _report_interruption(outcome: Interrupted, stop: _Stop) -> int:
    """The exit code, after a word on what is kept."""
    print(
        f"automl-ad: stopped; {outcome.n_finished} finished trials are kept in {outcome.study}\n"
        "  hint: repeat the command with --resume to go on",
        file=sys.stderr,
    )
    return 128 + (stop.signal_number or signal.SIGINT)


def _print_outcome(
    outcome: SearchOutcome, data: DataConfig, registered: Registered | None, *, as_json: bool
) -> None:
    """The comparison and the artifact on stdout."""
    from rich.console import Console

    from automl_ad.reporting import leaderboard, outcome_document

    audited = _audit(outcome, data)
    if as_json:
        print(
            outcome_document(
                outcome.selection,
                outcome.results,
                audited,
                study=outcome.study,
                artifact=outcome.exported.artifact,
                best_artifact=outcome.exported.best_artifact,
                registered=None if registered is None else registered.document(),
            )
        )
        return
    console = Console(highlight=False, markup=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH_OF_FILES
    console.print(leaderboard(outcome.selection, outcome.results, audited))
    if outcome.exported.best_artifact is not None:
        print(f"artifact of the best single candidate: {outcome.exported.best_artifact}")
    print(outcome.exported.artifact)


def _audit(outcome: SearchOutcome, data: DataConfig) -> Audit | None:
    """Metrics with labels, if there is a label column that can be read as labels."""
    from automl_ad.evaluation.audit import audit

    if data.label_column is None:
        return None
    try:
        return audit(outcome, data)
    except DataError as error:
        print(f"automl-ad: no audit: {error}", file=sys.stderr)
        return None
