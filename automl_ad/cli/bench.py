"""`automl-ad bench`: measure the search on labelled tables, as SELECTION's protocol asks for."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from automl_ad.config import Preset, require

WIDTH_OF_FILES = 160


def bench(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Labelled tables, parquet or CSV.", show_default=False)
    ],
    output: Annotated[
        Path, typer.Option(help="Where searches, report and page lie; finished searches are kept.")
    ] = Path("bench"),
    regime: Annotated[
        list[str] | None,
        typer.Option(
            help="natural (fit and test the same rows), clean (fit normal rows) or injected; repeatable."
        ),
    ] = None,
    max_trials: Annotated[int, typer.Option(help="Trials of each search, baselines on top.")] = 64,
    max_rows: Annotated[int, typer.Option(help="More rows than this are sampled.")] = 2_000,
    seeds: Annotated[int, typer.Option(help="Searches of each table and regime, with other seeds.")] = 1,
    contamination: Annotated[
        list[float] | None, typer.Option(help="Share of anomalies when injected; repeatable.")
    ] = None,
    label_column: Annotated[str, typer.Option(help="1 or true for anomalies; no search sees it.")] = "label",
    preset: Annotated[Preset, typer.Option(help="Which detectors, and how long they train.")] = "balanced",
    random_share: Annotated[
        float, typer.Option(help="Smallest share of random samples; 1 leaves TPE out.")
    ] = 0.25,
    keep_members: Annotated[
        bool, typer.Option("--keep-members", help="Keep every member's scores, to try fewer of them.")
    ] = False,
    peers: Annotated[bool, typer.Option(help="Measure other detectors and PyOD's choice beside it.")] = True,
    jobs: Annotated[int | None, typer.Option(help="Searches at a time; default: one per CPU.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON document.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Measure the search on every table of DIR; the last line on stdout is the page's path."""
    require(max_trials >= 1, f"--max-trials must be at least 1, got {max_trials}")
    require(max_rows >= 20, f"--max-rows must be at least 20, got {max_rows}")
    require(seeds >= 1, f"--seeds must be at least 1, got {seeds}")
    require(jobs is None or jobs >= 1, f"--jobs must be at least 1, got {jobs}")
    require(0 <= random_share <= 1, f"--random-share must be in [0, 1], got {random_share:g}")
    for share in contamination or ():
        require(0 < share <= 0.5, f"--contamination must be in (0, 0.5], got {share:g}")
    from automl_ad.evaluation.bench.run import bench as run_bench
    from automl_ad.evaluation.bench.searching import BenchConfig

    config = BenchConfig(
        label_column=label_column,
        preset=preset,
        max_trials=max_trials,
        max_rows=max_rows,
        random_share=random_share,
        keeps_members=keep_members,
        n_jobs=jobs or os.cpu_count() or 1,
    )
    with _stopped_by_signals(output):
        outcome = run_bench(
            folder,
            config,
            regimes=regime or ("natural",),
            n_seeds=seeds,
            contaminations=tuple(contamination or (0.05, 0.25)),
            output=output,
            with_peers=peers,
            say=_Say(enabled=not quiet),
        )
    if as_json:
        print(outcome.document.read_text(), end="")
        return
    from rich.console import Console

    from automl_ad.evaluation.bench.terminal import bench_table

    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = WIDTH_OF_FILES
    console.print(bench_table(outcome.report))
    print(outcome.page)


@contextmanager
def _stopped_by_signals(output: Path) -> Iterator[None]:
    """SIGTERM stops as Ctrl-C does (DESIGN 7): the searches end with this process, and a word is said.

    Both are set, since a shell that starts a job in the background has it ignore SIGINT.
    """

    def stop(signal_number: int, _frame: object) -> None:
        raise SystemExit(128 + signal_number)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except SystemExit:
        print(
            f"automl-ad: stopped; finished trials are kept in {output}\n  hint: repeat the command to go on",
            file=sys.stderr,
        )
        raise
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _Say:
    """One line on stderr, with the seconds since the start."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._started_at = time.monotonic()

    def __call__(self, line: str) -> None:
        if self._enabled:
            print(f"[{time.monotonic() - self._started_at:6.0f} s] {line}", file=sys.stderr, flush=True)
