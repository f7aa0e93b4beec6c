"""What a study is and must remain: `study.json`."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from automl_ad.config import SearchConfig
from automl_ad.errors import StudyError
from automl_ad.space import SearchSpace
from automl_ad.study.files import UNREADABLE, json_to_bytes, replace_file

RECORD_FILE = "study.json"
LIBRARIES = ("automl-ad", "numpy", "torch", "scikit-learn", "optuna", "ray", "pyarrow")
MAY_CHANGE = (
    "time_budget_s",
    "keep_bytes",
    "contamination",
    "alert_rate",
    "threshold",
    "combine",
    "selection",
)
"""Settings that leave finished trials as they are. `max_trials` may only grow."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StudyRecord:
    """The identity of a study."""

    format: Literal[1] = 1
    name: str
    """The Optuna study's name: the folder's and the time, because databases hold many studies."""
    created: str
    config: SearchConfig
    fingerprint: str
    """Of the data, see `Table.fingerprint`."""
    space_digest: str
    """sha256 of the search space: an edited space would make the trials of one study incomparable."""
    versions: dict[str, str]
    group_column: str | None = None


_RECORD = TypeAdapter(StudyRecord)


def new_record(
    folder: Path,
    config: SearchConfig,
    *,
    fingerprint: str,
    space: SearchSpace,
    group_column: str | None = None,
) -> StudyRecord:
    """The record of a study that begins now."""
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    return StudyRecord(
        name=f"{folder.resolve().name}-{created}",
        created=created,
        config=config,
        fingerprint=fingerprint,
        space_digest=digest_of(space),
        versions=_versions(),
        group_column=group_column,
    )


def read_record(folder: Path) -> StudyRecord:
    """The record of the study in the folder. StudyError when there is none, or it is damaged."""
    path = folder / RECORD_FILE
    if not path.exists():
        raise StudyError(
            f"a study folder must hold {RECORD_FILE}, got {folder} without it",
            "check the path of the study",
        )
    try:
        return _RECORD.validate_json(path.read_bytes())
    except UNREADABLE as error:
        raise StudyError(f"{path} must be the record of a study, got {error}") from error


def write_record(folder: Path, record: StudyRecord) -> None:
    """Put the record into the folder."""
    replace_file(folder / RECORD_FILE, json_to_bytes(_RECORD.dump_python(record, mode="json")))


def resumed(
    record: StudyRecord,
    config: SearchConfig,
    *,
    fingerprint: str,
    space: SearchSpace,
    group_column: str | None = None,
) -> StudyRecord:
    """The record with the settings of this run. StudyError names what makes it another study."""
    differences = list(_differences(record, config, fingerprint, digest_of(space)))
    if group_column != record.group_column:
        differences.append(f"group_column={group_column!r} (was {record.group_column!r})")
    if differences:
        raise StudyError(
            f"a study must be resumed as it was begun, got {'; '.join(differences)}",
            "repeat the command of the study, or give another --output",
        )
    return replace(record, config=config)


def _differences(
    record: StudyRecord, config: SearchConfig, fingerprint: str, space_digest: str
) -> Iterator[str]:
    if fingerprint != record.fingerprint:
        yield f"other data (fingerprint {fingerprint[:12]}, was {record.fingerprint[:12]})"
    if space_digest != record.space_digest:
        yield f"another search space ({space_digest[:12]}, was {record.space_digest[:12]})"
    was: dict[str, Any] = asdict(record.config)
    for name, value in asdict(config).items():
        is_grown = name == "max_trials" and value >= was[name]
        if value != was[name] and name not in MAY_CHANGE and not is_grown:
            yield f"{name}={value!r} (was {was[name]!r})"


def digest_of(space: SearchSpace) -> str:
    """sha256 over detectors, parameters and baselines."""
    content = {
        "detectors": {name: asdict(detector) for name, detector in space.detectors.items()},
        "baselines": [asdict(baseline) for baseline in space.baselines],
    }
    return hashlib.sha256(json_to_bytes(content)).hexdigest()


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{library: version(library) for library in LIBRARIES}}
