"""From the name of a preset to everything one search may try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from automl_ad.errors import SpaceError
from automl_ad.results import TrialConfig
from automl_ad.space.detector_loading import load_detector, load_space_file, read_text
from automl_ad.space.detector_space import DetectorSpace
from automl_ad.space.file_format import BaselineEntry, BaselinesFile, DataKind, DetectorFile, PresetFile
from automl_ad.space.known import check_known
from automl_ad.space.reading import parse_file
from automl_ad.space.rules import check_parameters
from automl_ad.space.search_space import Preset, SearchSpace
from automl_ad.space.shipped import BASELINES, PRESET_PREFIX, baselines_text, detector_names, preset_text


def load_space(
    preset: str, *, data_kind: DataKind, only: tuple[str, ...] | None = None, files: Sequence[Path] = ()
) -> SearchSpace:
    """The search space of a preset, for one kind of data.

    `only` names the detectors to search instead of the preset's own; its caps hold for them too. Each of
    the user's `files` takes the place of a shipped space, uncapped, and has its detector searched as well.
    Raises SpaceError, with the nearest name, for an unknown preset or detector.

    >>> space = load_space("fast", data_kind="tabular", only=("knn",))
    >>> space.detectors["knn"].defaults()
    {'prep': 'zscore', 'n_neighbors': 50, 'aggregate': 'mean'}
    """
    chosen = load_preset(preset)
    own: dict[str, DetectorSpace] = {}
    for file in files:
        space = load_space_file(file, data_kind=data_kind)
        if space.detector in own:
            raise SpaceError(
                f"each detector must have one space, got a second one for {space.detector} in {file}"
            )
        own[space.detector] = space
    # The user's own come first: a small budget of trials may not reach the last detectors.
    names = dict.fromkeys((*own, *(chosen.detectors if only is None else only)))
    if not names:
        raise SpaceError("at least one detector must be searched, got none")
    spaces = {
        name: own[name] if name in own else _capped(load_detector(name, data_kind=data_kind), chosen)
        for name in names
    }
    for name in (*(only or ()), *own):
        _require_readable(spaces[name], data_kind)
    return SearchSpace(
        preset=chosen,
        detectors={name: space for name, space in spaces.items() if data_kind in space.data_kinds},
        named_baselines=load_baselines(data_kind=data_kind),
    )


def _require_readable(space: DetectorSpace, data_kind: DataKind) -> None:
    """SpaceError when someone asked for a detector that cannot read this kind of data."""
    if data_kind not in space.data_kinds:
        kinds = " and ".join(space.data_kinds)
        raise SpaceError(
            f"{space.detector} must be searched on {kinds} data, got {data_kind} data",
            "leave that detector out",
        )


def load_preset(name: str) -> Preset:
    """A shipped preset, checked."""
    return _parse_preset(*preset_text(name))


def load_baselines(*, data_kind: DataKind) -> dict[str, TrialConfig]:
    """Name -> fixed config, complete with the published defaults."""
    return _parse_baselines(*baselines_text(), data_kind)


def validate_file(path: Path) -> None:
    """Raise SpaceError unless the file is valid for every kind of data.

    Its name says what it is: `preset_*.toml`, `baselines.toml`, or else the space of a detector.
    """
    if path.stem.startswith(PRESET_PREFIX):
        _parse_preset(read_text(path), path.name)
        return
    if path.stem == BASELINES:
        for data_kind in get_args(DataKind):
            _parse_baselines(read_text(path), path.name, data_kind)
        return
    data_kinds = parse_file(DetectorFile, read_text(path), file=path.name).data_kinds
    for data_kind in data_kinds:
        try:
            load_space_file(path, data_kind=data_kind)
        except SpaceError as error:
            others = [kind for kind in data_kinds if kind != data_kind]
            only = (
                f'if the file is not for {data_kind} data, write data_kinds = ["{others[0]}"]'
                if others
                else ""
            )
            raise SpaceError(error.message, error.hint or only) from error


def _parse_preset(text: str, file: str) -> Preset:
    content = parse_file(PresetFile, text, file=file)
    preset = Preset(
        name=content.name,
        description=content.description.strip(),
        detectors=tuple(content.detectors),
        n_members=content.n_members,
        caps=content.caps,
    )
    _check_preset(preset, file)
    return preset


def _check_preset(preset: Preset, file: str) -> None:
    names = preset.detectors
    if not names or len(set(names)) < len(names):
        raise SpaceError(f"detectors must be named, each once, in {file}, got {', '.join(names) or 'none'}")
    for name in names:
        check_known("detector", name, detector_names(), file=file)
    spaces = [load_detector(name, data_kind="tabular") for name in names]
    counts = {p.name for space in spaces for p in space.parameters if p.kind == "int"}
    for name in preset.caps:
        check_known("cap on an int parameter", name, sorted(counts), file=file)
    for space in spaces:
        check_parameters(_capped(space, preset).parameters, file=f"{space.detector}.toml under {file}")


def _capped(space: DetectorSpace, preset: Preset) -> DetectorSpace:
    """The space with the preset's caps on its int parameters."""
    caps = preset.caps
    parameters = (
        p.capped(caps[p.name]) if p.kind == "int" and p.name in caps else p for p in space.parameters
    )
    return replace(space, parameters=tuple(parameters))


def _parse_baselines(text: str, file: str, data_kind: DataKind) -> dict[str, TrialConfig]:
    content = parse_file(BaselinesFile, text, file=file)
    return {name: _baseline(name, entry, file, data_kind) for name, entry in content.baselines.items()}


def _baseline(name: str, entry: BaselineEntry, file: str, data_kind: DataKind) -> TrialConfig:
    check_known("detector", entry.detector, detector_names(), file=file)
    space = load_detector(entry.detector, data_kind=data_kind)
    params = space.defaults() | entry.params
    try:
        space.validate(params)
    except SpaceError as error:
        raise SpaceError(f"baseline '{name}' in {file}: {error.message}", error.hint) from error
    return TrialConfig(detector=entry.detector, params=params, origin="baseline")
