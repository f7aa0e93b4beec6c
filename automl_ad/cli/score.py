"""`automl-ad score`: the anomaly score of every row of a dataset, as a parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from automl_ad.cli.row_progress import RowProgress
from automl_ad.cli.termination import exits_on_sigterm


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
    progress = RowProgress(enabled=not quiet)
    with exits_on_sigterm():
        report = score_sources(scorer, data, output, id_column=id_column, on_progress=progress)
    threshold = scorer.manifest.threshold
    progress.finish(
        report, model=scorer.name, version=scorer.version, threshold=threshold.value, rule=threshold.rule
    )
    print(output)
