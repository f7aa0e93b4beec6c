"""The results of a study, one folder per trial: whole or absent, written by whoever has a result."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl_ad.errors import StudyError
from automl_ad.results import TrialResult
from automl_ad.study.files import (
    UNREADABLE,
    arrays_from_bytes,
    arrays_to_bytes,
    sync_folder,
    write_file,
)
from automl_ad.study.trial_document import (
    TrialDocument,
    from_parts,
    to_arrays,
    to_document,
    to_member_arrays,
    with_members,
)

TEMPORARY = ".tmp-"
WEIGHTS_FILES = "weights-*.safetensors"
MEMBERS_FILE = "members.safetensors"


class TrialStore:
    """`NNNNN/{result.json, panel.safetensors, weights-EEE.safetensors}` under one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, result: TrialResult) -> None:
        """Keep the result. A number that is already kept stays as it is: the trial was run twice."""
        if self.has(result.trial):
            return
        self.root.mkdir(parents=True, exist_ok=True)
        temporary = self.root / f"{TEMPORARY}{uuid.uuid4().hex}"
        temporary.mkdir()
        for name, content in _files(result):
            write_file(temporary / name, content)
        sync_folder(temporary)
        try:
            temporary.rename(self._folder(result.trial))
        except OSError:
            shutil.rmtree(temporary)
            if not self.has(result.trial):
                raise
        sync_folder(self.root)

    def read(self, number: int) -> TrialResult:
        """The result without its weights. StudyError names the folder when it is damaged."""
        folder = self._folder(number)
        try:
            document = TrialDocument.model_validate_json((folder / "result.json").read_bytes())
            arrays = arrays_from_bytes((folder / "panel.safetensors").read_bytes())
            return from_parts(document, arrays, kept_checkpoints=self._kept_checkpoints(number))
        except (*UNREADABLE, KeyError) as error:
            raise _damaged(folder, error) from error

    def read_with_members(self, number: int) -> TrialResult:
        """The result with the scores of its members, where the study kept them."""
        path = self._folder(number) / MEMBERS_FILE
        result = self.read(number)
        return with_members(result, arrays_from_bytes(path.read_bytes())) if path.exists() else result

    def read_all(self) -> list[TrialResult]:
        """Every kept result, by number, without weights."""
        return [self.read(number) for number in self.numbers()]

    def weights(self, number: int, checkpoint: int) -> dict[str, npt.NDArray[np.generic]]:
        """The detector's arrays of one kept checkpoint."""
        path = self._folder(number) / _weights_name(checkpoint)
        if not path.exists():
            kept = ", ".join(map(str, self._kept_checkpoints(number))) or "none"
            raise StudyError(
                f"the weights of a candidate must be kept, got checkpoint {checkpoint} "
                f"of trial {number} (kept: {kept})",
                "raise --keep-bytes",
            )
        try:
            return arrays_from_bytes(path.read_bytes())
        except UNREADABLE as error:
            raise _damaged(path.parent, error) from error

    def numbers(self) -> list[int]:
        """The numbers of all kept trials, ascending."""
        if not self.root.exists():
            return []
        return sorted(int(path.name) for path in self.root.iterdir() if re.fullmatch(r"\d{5,}", path.name))

    def has(self, number: int) -> bool:
        """Whether the trial's result is kept."""
        return self._folder(number).exists()

    def remove_leftovers(self) -> None:
        """Delete what a killed writer left half done."""
        for path in self.root.glob(f"{TEMPORARY}*"):
            shutil.rmtree(path)

    def weights_bytes(self) -> int:
        """How much all kept weights take. Folders still being written, by other processes, do not count."""
        folders = map(self._folder, self.numbers())
        return sum(path.stat().st_size for folder in folders for path in folder.glob(WEIGHTS_FILES))

    def shrink_weights(self, keep_bytes: int, worst_first: Iterable[int]) -> None:
        """Delete weights, trial by trial in the given order, until at most `keep_bytes` are left."""
        n_bytes = self.weights_bytes()
        for number in worst_first:
            for path in self._folder(number).glob(WEIGHTS_FILES):
                if n_bytes <= keep_bytes:
                    return
                n_bytes -= path.stat().st_size
                path.unlink()

    def _kept_checkpoints(self, number: int) -> tuple[int, ...]:
        paths = self._folder(number).glob(WEIGHTS_FILES)
        return tuple(sorted(int(path.stem.removeprefix("weights-")) for path in paths))

    def _folder(self, number: int) -> Path:
        return self.root / f"{number:05d}"


def _files(result: TrialResult) -> Iterable[tuple[str, bytes]]:
    yield "result.json", (to_document(result).model_dump_json(indent=2) + "\n").encode()
    yield "panel.safetensors", arrays_to_bytes(to_arrays(result))
    if members := to_member_arrays(result):
        yield MEMBERS_FILE, arrays_to_bytes(members)
    for checkpoint, arrays in result.weights.items():
        yield _weights_name(checkpoint), arrays_to_bytes(arrays)


def _weights_name(checkpoint: int) -> str:
    return f"weights-{checkpoint:03d}.safetensors"


def _damaged(folder: Path, error: Exception) -> StudyError:
    return StudyError(
        f"every folder in trials/ must hold a whole result, got {folder} with {error!r}",
        f"to go on without that trial: rm -r {folder}",
    )
