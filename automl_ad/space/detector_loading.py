"""The space of one detector: shipped, by name, or a user's own, by path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from automl_ad.errors import SpaceError
from automl_ad.results import PYOD_PREFIX, Value
from automl_ad.space.detector_space import DetectorSpace
from automl_ad.space.file_format import CategoricalEntry, DataKind, DetectorFile, Entry
from automl_ad.space.known import check_known
from automl_ad.space.parameter import Parameter
from automl_ad.space.reading import parse_file
from automl_ad.space.rules import check_like_shipped, check_parameters
from automl_ad.space.shipped import detector_names, detector_text

PYOD_PREPS: dict[DataKind, tuple[str, ...]] = {
    "tabular": ("zscore", "robust", "minmax"),
    "image": ("unit", "pm1"),
}


def load_detector(name: str, *, data_kind: DataKind) -> DetectorSpace:
    """The shipped space of one detector, without a preset's caps.

    One of PyOD's (`pyod:<module>`) has only the scaling to choose; a file of your own can say more.

    >>> load_detector("pyod:ecod", data_kind="tabular").defaults()
    {'prep': 'zscore'}
    """
    if name.startswith(PYOD_PREFIX):
        return DetectorSpace(detector=name, parameters=(_pyod_prep(data_kind),))
    text, file = detector_text(name)
    return parse_detector(text, file, data_kind)


def _pyod_prep(data_kind: DataKind) -> Parameter:
    preps = PYOD_PREPS[data_kind]
    return Parameter(name="prep", kind="categorical", choices=preps, default=preps[0])


def load_space_file(path: Path, *, data_kind: DataKind = "tabular") -> DetectorSpace:
    """A user's own space for a shipped detector, or for one of PyOD's, whose parameters PyOD alone knows.

    SpaceError names the file, the key, the rule and what was found.
    """
    space = parse_detector(read_text(path), path.name, data_kind)
    known: dict[str, Parameter] = {}
    if space.detector.startswith(PYOD_PREFIX):
        known = {p.name: p for p in space.parameters}
    else:
        check_known("detector", space.detector, detector_names(), file=path.name)
    known |= {p.name: p for p in load_detector(space.detector, data_kind=data_kind).parameters}
    check_like_shipped(space.parameters, known, file=path.name)
    return space


def read_text(path: Path) -> str:
    """The text of a user's file; SpaceError when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(f"a search-space file must be readable text, got {path}: {error}") from error


def parse_detector(text: str, file: str, data_kind: DataKind) -> DetectorSpace:
    """The space that a text describes, for one kind of data; SpaceError names `file`."""
    content = parse_file(DetectorFile, text, file=file)
    parameters = tuple(_parameter(name, content.parameters, data_kind) for name in content.parameters)
    check_parameters(parameters, file=file)
    return DetectorSpace(
        detector=content.detector, parameters=parameters, data_kinds=tuple(content.data_kinds)
    )


def _parameter(name: str, entries: Mapping[str, Entry], data_kind: DataKind) -> Parameter:
    """The parameter with the entry's override for this kind of data applied."""
    entry = entries[name]
    override = entry.image if data_kind == "image" else entry.tabular
    fields = entry.model_dump(exclude={"type", "when", "tabular", "image"})
    fields |= override.model_dump(exclude_none=True) if override else {}
    choices = tuple(fields.pop("choices", ()))
    when = {
        other: tuple(v for v in _as_tuple(values) if v not in _withdrawn(entries.get(other), data_kind))
        for other, values in entry.when.items()
    }
    return Parameter(name=name, kind=entry.type, choices=choices, when=when, **fields)


def _withdrawn(entry: Entry | None, data_kind: DataKind) -> list[Value]:
    """The choices that the override for this kind of data leaves out; a condition may still name them."""
    if not isinstance(entry, CategoricalEntry):
        return []
    override = entry.image if data_kind == "image" else entry.tabular
    kept = entry.choices if override is None or override.choices is None else override.choices
    return [choice for choice in entry.choices if choice not in kept]


def _as_tuple(values: Value | list[Value]) -> tuple[Value, ...]:
    return tuple(values) if isinstance(values, list) else (values,)
