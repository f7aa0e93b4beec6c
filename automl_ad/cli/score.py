"""`automl-ad score`: the anomaly score of every row of a dataset, as a parquet file."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from automl_ad.artifact import BatchReport, Scorer

PROGRESS_EVERY_S = 5.0


def score(
    artifact: Annotated[
        Path, typer.Argument(help="The folder that `search` printed last.", show_default=False)
    ],
    data: Annotated[
        list[str],
        typer.Argument(help="Parquet or CSV files, globs, folders or URIs (s3://...).", show_default=False),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", dir_okay=False, help="The parquet file to write; an older one is replaced."
        ),
    ],
    id_column: Annotated[
        str | None, typer.Option(help="Names the rows in the output; without it, their position does.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Score every row of DATA in constant memory; the last line on stdout is the output's path."""
    from automl_ad.artifact import Scorer, score_sources

    scorer = Scorer.load(artifact, device=device)
    progress = _Progress(enabled=not quiet)
    report = score_sources(scorer, data, output, id_column=id_column, on_progress=progress)
    progress.finish(report, scorer)
    print(output)


class _Progress:
    """A line on stderr now and then, with the rows done and the pace."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._started_at = self._last_line_at = time.monotonic()

    def __call__(self, n_rows: int) -> None:
        now = time.monotonic()
        if now - self._last_line_at >= PROGRESS_EVERY_S:
            self._say(f"{n_rows:,} rows, {n_rows / (now - self._started_at):,.0f} rows/s")
            self._last_line_at = now

    def finish(self, report: BatchReport, scorer: Scorer) -> None:
        """Say what was scored, by what, and how much of it is strange."""
        threshold = scorer.manifest.threshold
        share = report.n_anomalies / report.n_rows
        self._say(
            f"scored {report.n_rows:,} rows in {time.monotonic() - self._started_at:.1f} s "
            f"with {scorer.name}, version {scorer.version}: {report.n_anomalies:,} anomalies ({share:.2%}) "
            f"above {threshold.value:.6g} ({threshold.rule})"
        )

    def _say(self, line: str) -> None:
        if self._enabled:
            print(line, file=sys.stderr, flush=True)
