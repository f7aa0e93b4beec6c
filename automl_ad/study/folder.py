"""The files of a study, for anyone who reads them: reports and exports need neither lock nor Optuna."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from automl_ad.errors import StudyError
from automl_ad.results import Arrays
from automl_ad.study.files import (
    UNREADABLE,
    arrays_from_bytes,
    arrays_to_bytes,
    json_to_bytes,
    replace_file,
)
from automl_ad.study.record import StudyRecord, read_record
from automl_ad.study.trial_store import TrialStore


class StudyFolder:
    """A study as it lies on disk: its record, its trials, and named documents and arrays beside them."""

    def __init__(self, path: Path, record: StudyRecord) -> None:
        self.path = path
        self.record = record
        self.store = TrialStore(path / "trials")

    @classmethod
    def read(cls, path: Path) -> Self:
        """The study in the folder. StudyError when there is none."""
        return cls(path, read_record(path))

    def document(self, name: str) -> dict[str, Any]:
        """The JSON document of that name."""
        document: dict[str, Any] = _parsed(self.path / f"{name}.json", json.loads)
        return document

    def arrays(self, name: str) -> dict[str, npt.NDArray[np.generic]]:
        """The arrays kept under that name."""
        arrays: dict[str, npt.NDArray[np.generic]] = _parsed(
            self.path / f"{name}.safetensors", arrays_from_bytes
        )
        return arrays

    def write_document(self, name: str, document: Mapping[str, Any]) -> None:
        """Keep a JSON document; an older one of that name is replaced in one step."""
        replace_file(self.path / f"{name}.json", json_to_bytes(document))

    def write_arrays(self, name: str, arrays: Arrays) -> None:
        """Keep arrays; older ones of that name are replaced in one step."""
        replace_file(self.path / f"{name}.safetensors", arrays_to_bytes(arrays))


def _parsed(path: Path, parse: Any) -> Any:
    try:
        return parse(path.read_bytes())
    except UNREADABLE as error:
        raise StudyError(
            f"a study must hold {path.name} as it was written, got {error!r} at {path}"
        ) from error
