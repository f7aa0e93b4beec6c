"""`automl-ad show`: why an artifact is what it is, read again from its manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_ad.cli.search import WIDTH_OF_FILES

if TYPE_CHECKING:
    from rich.table import Table

    from automl_ad.artifact import Manifest

TABLES = {
    "criteria": "criterion role correlation best_beats",
    "against_baselines": "detector rank n_telling_ahead n_telling_behind n_ahead n_behind n_absent "
    "consensus_gain probe_auc_gain",
}
"""List of the evidence -> the fields that are shown of it."""
LEGEND = "telling: criteria that voted or are a second opinion; gain: of the output over the baseline row"


def show(
    path: Annotated[
        Path, typer.Argument(metavar="ARTIFACT|STUDY", help="An artifact, or the study that made it.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print all evidence, ranking included.")] = False,
) -> None:
    """Show the verdict on an artifact, its parts and threshold, and what criteria and baselines say of it."""
    from automl_ad.artifact import read_manifest

    manifest = read_manifest(path / "artifact" if (path / "artifact").is_dir() else path)
    if as_json:
        print(json.dumps(manifest.evidence, indent=2, allow_nan=False))
    else:
        _print(manifest)


def _print(manifest: Manifest) -> None:
    from rich.console import Console

    from automl_ad.results import CandidateKey

    console = Console(highlight=False, markup=False, soft_wrap=True, width=WIDTH_OF_FILES)
    console.print(f"model {manifest.name}, version {manifest.version}, of {manifest.created:%Y-%m-%d}")
    console.print(str(manifest.evidence.get("verdict", "no verdict was kept")))
    for part in manifest.parts:
        key = CandidateKey(trial=part.trial, score_type=part.score_type, checkpoint=part.checkpoint)
        console.print(f"part {part.detector} {key} x {part.weight:.2f}")
    console.print(f"threshold {manifest.threshold.value:.6g} ({manifest.threshold.rule})")
    for name, columns in TABLES.items():
        table = _table(manifest.evidence.get(name), columns.split())
        console.print("", table or f"{name.replace('_', ' ')}: not kept", sep="\n")
    console.print(LEGEND)


def _table(records: Any, columns: Iterable[str]) -> Table | None:
    """A line for each record; None without any, as in artifacts of earlier versions."""
    from rich.table import Table

    if not isinstance(records, list) or not records:
        return None
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.removeprefix("n_").replace("_", " "))
    for record in filter(lambda record: isinstance(record, dict), records):
        cells = {**record, **(record.get("output_gains") or {})}
        table.add_row(*(_cell(cells.get(column)) for column in columns))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return "-" if value is None else str(value).replace("_", " ")
