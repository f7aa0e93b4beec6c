"""From a folder nobody vouches for to detectors ready to score, without running any code of the folder.

JSON through strict records, arrays through safetensors, every file checked by size and SHA-256 before it is
parsed. Files that the manifest does not list are never opened. Shape: N panel rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from automl_ad.artifact.ensemble import combine
from automl_ad.artifact.folder import read_file, read_recorded
from automl_ad.artifact.manifest import (
    EXPORT_AGAIN,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    PANEL,
    PREPROCESSING,
    Document,
    Manifest,
    PartRecord,
    parse_manifest,
    part_file,
)
from automl_ad.artifact.parts import LoadedPart, restore_part
from automl_ad.artifact.tensors import from_bytes
from automl_ad.data import Preprocessor
from automl_ad.errors import ArtifactError
from automl_ad.results import Arrays

FINAL = "final"
"""Name of the output's own scores in panel.safetensors; the parts' are `part-0`, `part-1`, ..."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Model:
    """What turns rows into scores: preprocessing, parts, and the panel they were judged on."""

    preprocessor: Preprocessor
    parts: tuple[LoadedPart, ...]
    panel_scores: npt.NDArray[np.float64]
    """[N], of all parts together."""
    vote_rate: float | None
    """See `combine`."""


def read_manifest(folder: Path) -> Manifest:
    """What the artifact says of itself; its arrays are not looked at. Raises ArtifactError."""
    return parse_manifest(read_file(folder, MANIFEST, MAX_MANIFEST_BYTES), folder / MANIFEST)


def load_artifact(folder: Path, *, device: str) -> tuple[Manifest, Model]:
    """Manifest and model of the folder. Raises ArtifactError naming the file and the rule it breaks."""
    manifest = read_manifest(folder)
    arrays = {
        name: from_bytes(read_recorded(folder, name, record), folder / name)
        for name, record in manifest.files.items()
        if name.endswith(".safetensors")
    }
    model = restore_model(
        manifest.preprocessing,
        manifest.parts,
        arrays,
        vote_rate=manifest.vote_rate,
        folder=folder,
        device=device,
    )
    if len(model.panel_scores) != manifest.n_panel_rows:
        raise ArtifactError(
            f"{folder / PANEL}: must hold {manifest.n_panel_rows} rows, got {len(model.panel_scores)}",
            EXPORT_AGAIN,
        )
    return manifest, model


def restore_model(
    preprocessing: Document,
    records: Sequence[PartRecord],
    arrays: dict[str, dict[str, npt.NDArray[np.generic]]],
    *,
    vote_rate: float | None,
    folder: Path,
    device: str,
) -> Model:
    """The model that the documents and the files' arrays describe. Raises ArtifactError."""
    preprocessor = _restore_preprocessor(preprocessing, arrays[PREPROCESSING], folder)
    panel_path = folder / PANEL
    final_N = _panel_scores(arrays[PANEL], FINAL, panel_path)
    parts = tuple(
        restore_part(
            record,
            arrays[part_file(index)],
            _panel_scores(arrays[PANEL], f"part-{index}", panel_path, len(final_N)),
            path=folder / part_file(index),
            device=device,
        )
        for index, record in enumerate(records)
    )
    _require_fit(parts, preprocessor, folder)
    _require_combined(parts, vote_rate, final_N, panel_path)
    return Model(preprocessor=preprocessor, parts=parts, panel_scores=final_N, vote_rate=vote_rate)


def _restore_preprocessor(document: Document, arrays: Arrays, folder: Path) -> Preprocessor:
    try:
        return Preprocessor.from_parts(document, arrays)
    except ArtifactError as error:
        raise ArtifactError(
            f"{folder / PREPROCESSING}: {error.message}", error.hint or EXPORT_AGAIN
        ) from error


def _panel_scores(panel: Arrays, name: str, path: Path, n_rows: int | None = None) -> npt.NDArray[np.float64]:
    scores_N = panel.get(name)
    if scores_N is None:
        raise ArtifactError(f"{path}: must hold {name!r}, got {sorted(panel)}", EXPORT_AGAIN)
    if scores_N.dtype != np.float64 or scores_N.ndim != 1 or len(scores_N) < 1:
        raise ArtifactError(
            f"{path}: {name!r} must be a vector of float64, got {scores_N.dtype} {scores_N.shape}",
            EXPORT_AGAIN,
        )
    if not np.isfinite(scores_N).all() or n_rows not in (None, len(scores_N)):
        raise ArtifactError(
            f"{path}: {name!r} must be finite and as long as {FINAL!r}, got {len(scores_N)} values",
            EXPORT_AGAIN,
        )
    return np.asarray(scores_N, dtype=np.float64)


def _require_fit(parts: Sequence[LoadedPart], preprocessor: Preprocessor, folder: Path) -> None:
    n_features = len(preprocessor.encoded_names)
    for index, part in enumerate(parts):
        if part.detector.n_features != n_features:
            raise ArtifactError(
                f"{folder / MANIFEST}: part {index} must take the {n_features} encoded features, "
                f"got n_features = {part.detector.n_features}",
                EXPORT_AGAIN,
            )
        if part.prep not in preprocessor.scalers:
            raise ArtifactError(
                f"{folder / MANIFEST}: prep of part {index} must be one of "
                f"{', '.join(preprocessor.scalers)}, got {part.prep!r}",
                EXPORT_AGAIN,
            )


def _require_combined(
    parts: Sequence[LoadedPart], vote_rate: float | None, final_N: npt.NDArray[np.float64], path: Path
) -> None:
    combined_N = combine([(part.weight, part.ecdf, part.panel_scores) for part in parts], vote_rate=vote_rate)
    if not np.allclose(combined_N, final_N, rtol=1e-6):
        raise ArtifactError(
            f"{path}: {FINAL!r} must be the combination of the parts' panel scores, got other values",
            EXPORT_AGAIN,
        )
