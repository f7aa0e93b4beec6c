"""`automl-ad registry`: see the models, add a version, choose the champion, go back to the one before."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from automl_ad.cli.registering import REGISTRY, RegistryOption
from automl_ad.cli.search import WIDTH_OF_FILES
from automl_ad.errors import AutomlADError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from automl_ad.artifact.registry import Registry, RegistryEntry

app = typer.Typer(no_args_is_help=True, help="Models in versions: list, add, promote, roll back.")

Name = Annotated[str, typer.Argument(help="The model.", show_default=False)]


@app.command("list")
def list_models(
    name: Annotated[
        str | None, typer.Argument(help="Only this model, all versions.", show_default=False)
    ] = None,
    registry: RegistryOption = REGISTRY,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """List the models with their aliases; with NAME, the versions of that one, the newest last."""
    from automl_ad.artifact.registry import Registry

    opened = Registry.open(registry)
    entries, exit_code = ([opened.entry(name)], 0) if name else _readable(opened)
    if as_json:
        print(json.dumps([_document(entry) for entry in entries], indent=2))
    elif name:
        _print_table(("version", "registered", "aliases"), _version_rows(entries[0]))
    else:
        _print_table(("model", "versions", "aliases"), [_model_row(entry) for entry in entries])
    if exit_code:
        raise typer.Exit(exit_code)


@app.command()
def add(
    name: Name,
    artifact: Annotated[
        Path, typer.Argument(help="The path that `automl-ad search` printed last.", show_default=False)
    ],
    registry: RegistryOption = REGISTRY,
) -> None:
    """Add ARTIFACT as a version: of a new model the champion, else the canary. Prints the version."""
    from automl_ad.artifact.registry import Registry

    opened = Registry.open(registry)
    version = opened.add(name, artifact)
    aliases = " and ".join(opened.entry(name).aliases_of(version))
    _say(f"model {name}: version {version} is {aliases}")
    print(version)


@app.command()
def promote(
    name: Name,
    reference: Annotated[str, typer.Argument(help="An alias or a version.")] = "canary",
    registry: RegistryOption = REGISTRY,
) -> None:
    """Make a version the champion, once its golden rows have matched. Prints the version."""
    from automl_ad.artifact.registry import Registry

    champion = Registry.open(registry).promote(name, reference)
    before = f", before it {champion.previous[-1]}" if champion.previous else ""
    _say(f"model {name}: champion is {champion.version}{before}")
    print(champion.version)


@app.command()
def rollback(name: Name, registry: RegistryOption = REGISTRY) -> None:
    """Return to the champion before; repeat it to go back further. Prints the version."""
    from automl_ad.artifact.registry import Registry

    champion = Registry.open(registry).rollback(name)
    _say(f"model {name}: champion is {champion.version} again")
    print(champion.version)


def _readable(registry: Registry) -> tuple[list[RegistryEntry], int]:
    """All models but the damaged ones, which stderr names, and the exit code of the last of these, else 0."""
    entries, exit_code = [], 0
    for name in registry.names():
        try:
            entries.append(registry.entry(name))
        except AutomlADError as error:
            _say(str(error))
            exit_code = error.exit_code
    return entries, exit_code


def _document(entry: RegistryEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "versions": [
            {"version": record.version, "registered": record.registered.isoformat()}
            for record in entry.versions
        ],
        "aliases": {alias: record.model_dump(mode="json") for alias, record in entry.aliases.items()},
    }


def _model_row(entry: RegistryEntry) -> tuple[str, str, str]:
    aliases = (f"{alias} {record.version}" for alias, record in sorted(entry.aliases.items()))
    return entry.name, str(len(entry.versions)), ", ".join(aliases)


def _version_rows(entry: RegistryEntry) -> list[tuple[str, str, str]]:
    return [
        (
            record.version,
            f"{record.registered:%Y-%m-%d %H:%M:%S}",
            ", ".join(entry.aliases_of(record.version)),
        )
        for record in entry.versions
    ]


def _print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False, soft_wrap=True, width=WIDTH_OF_FILES).print(table)


def _say(line: str) -> None:
    print(f"automl-ad: {line}", file=sys.stderr)
