"""`automl-ad space`: look at search spaces, check a file, print the schema of the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from automl_ad.space import DetectorSpace, Parameter, Preset

app = typer.Typer(no_args_is_help=True, help="Show and check search spaces.")

Kind = Literal["tabular", "image"]


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(metavar="[DETECTOR|PRESET]", show_default=False)] = None,
    data_kind: Annotated[
        Kind, typer.Option(help="Bounds and defaults for tables or for images.")
    ] = "tabular",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Show what a preset searches or what a detector's parameters are; without a name, list both."""
    from automl_ad import space

    if name is None:
        names = {"presets": space.preset_names(), "detectors": space.detector_names()}
        lines = [f"{kind}: {' '.join(values)}" for kind, values in names.items()]
        _print(names, lines, as_json=as_json)
    elif name in space.preset_names():
        preset = space.load_preset(name)
        _print(preset, _preset_lines(preset, data_kind), as_json=as_json)
    else:
        _check_name(name)
        detector = space.load_detector(name, data_kind=data_kind)
        _print(detector, _detector_lines(detector), as_json=as_json)


@app.command()
def validate(files: Annotated[list[Path], typer.Argument(metavar="FILE...")]) -> None:
    """Check search-space files; every wrong one is named, and any of them makes the exit code 2."""
    from automl_ad.errors import SpaceError
    from automl_ad.space import validate_file

    problems = []
    for file in files:
        try:
            validate_file(file)
        except SpaceError as error:
            problems.append(error)
        else:
            print(f"{file}: valid")
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise SpaceError("\n".join(map(str, problems)))


@app.command()
def schema() -> None:
    """Print the JSON Schema (draft 2020-12) of search-space files, for editors."""
    import json

    from automl_ad.space import json_schema

    print(json.dumps(json_schema(), indent=2))


def _check_name(name: str) -> None:
    """One error for both kinds of names, so that a mistyped preset finds its nearest name too."""
    from automl_ad.results import PYOD_PREFIX
    from automl_ad.space import check_known, detector_names, preset_names

    if name.startswith(PYOD_PREFIX):
        return
    check_known("detector or preset", name, (*preset_names(), *detector_names()))


def _print(content: object, lines: list[str], *, as_json: bool) -> None:
    if not as_json:
        print("\n".join(lines))
        return
    from pydantic import TypeAdapter

    print(TypeAdapter(type(content)).dump_json(content, indent=2).decode())


def _preset_lines(preset: Preset, data_kind: Kind) -> list[str]:
    from automl_ad.space import load_baselines

    baselines = load_baselines(data_kind=data_kind)
    caps = ", ".join(f"{name} {cap}" for name, cap in preset.caps.items())
    return [
        preset.description,
        "",
        f"detectors: {' '.join(preset.detectors)}",
        f"members:   {preset.n_members}",
        f"caps:      {caps or 'none'}",
        "baselines, run before every search:",
        *_aligned([(f"  {name}", _params(config.params)) for name, config in baselines.items()]),
    ]


def _params(params: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in params.items())


def _detector_lines(detector: DetectorSpace) -> list[str]:
    from automl_ad.space import describe_when

    rows = [("parameter", "type", "values", "default", "only when")]
    for p in detector.parameters:
        rows.append((p.name, p.kind, _values(p), str(p.default_rule or p.default), describe_when(p)))
    return _aligned(rows)


def _values(parameter: Parameter) -> str:
    if parameter.kind == "categorical":
        return " | ".join(map(str, parameter.choices))
    scale = " log" if parameter.log else f" step {parameter.step}" if parameter.step else ""
    return f"[{parameter.low}, {parameter.high}]{scale}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows as lines, with columns two spaces apart."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
