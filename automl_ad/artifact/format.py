"""Writing an artifact: parts and preprocessing in, a folder that has been loaded once out.

    manifest.json              what, from which data, why, threshold, versions, SHA-256 of every file
    part-0.safetensors ...     the arrays of each part
    preprocessing.safetensors  the arrays of the preprocessor
    panel.safetensors          panel scores [N]: `part-0` ... of each part, `final` of all together
    golden.parquet             32 rows drawn from the marginals, and the scores they must get

Shape: N panel rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from pydantic_core import to_json

from automl_ad.artifact.folder import published, write_file
from automl_ad.artifact.golden import N_GOLDEN_ROWS, golden_file
from automl_ad.artifact.loading import FINAL, Model, restore_model
from automl_ad.artifact.manifest import (
    GOLDEN,
    MANIFEST,
    PANEL,
    PREPROCESSING,
    SCHEMA_VERSION,
    Document,
    Manifest,
    Threshold,
    content_version,
    first_rule,
    keeps_rows,
    part_file,
)
from automl_ad.artifact.parts import Part
from automl_ad.artifact.scorer import Scorer, scores_of
from automl_ad.artifact.tensors import from_bytes, to_bytes
from automl_ad.data import Preprocessor
from automl_ad.errors import ArtifactError

_LIBRARIES = ("automl-ad", "torch", "numpy", "scikit-learn", "pyarrow", "safetensors")
_NO_VERSION_YET = "0" * 16


def write_artifact(
    path: Path,
    *,
    name: str,
    parts: Sequence[Part],
    preprocessor: Preprocessor,
    threshold: Threshold,
    vote_rate: float | None = None,
    panel_scores_N: npt.NDArray[np.floating],
    data_fingerprint: str,
    seed: int,
    study: Mapping[str, Any],
    evidence: Mapping[str, Any],
) -> Path:
    """The folder `path`, complete and already loaded once, or not there at all.

    It is written beside `path`, synced and renamed. An artifact at `path` is replaced, anything else is
    refused. `panel_scores_N` are the parts' panel scores combined. `study` and `evidence` may hold plain
    records; numbers that are not finite become null. Raises ArtifactError.
    """
    preprocessing = json.loads(json.dumps(preprocessor.to_json(), allow_nan=False))
    contents = _array_files(parts, preprocessor, panel_scores_N)
    with published(path) as folder:
        model = _read_back(contents, parts, preprocessing, vote_rate, folder)
        contents[GOLDEN] = _golden(model, seed)
        files = {file: write_file(folder, file, content) for file, content in contents.items()}
        manifest = _manifest(
            schema_version=SCHEMA_VERSION,
            name=name,
            version=_NO_VERSION_YET,
            created=datetime.now(UTC),
            data_fingerprint=data_fingerprint,
            seed=seed,
            study=_plain(study),
            evidence=_plain(evidence),
            preprocessing=preprocessing,
            parts=tuple(part.record for part in parts),
            vote_rate=vote_rate,
            threshold=threshold,
            n_panel_rows=len(panel_scores_N),
            contains_training_rows=keeps_rows(part.detector for part in parts),
            library_versions={library: version(library) for library in _LIBRARIES},
            files=files,
        )
        write_file(folder, MANIFEST, manifest.model_dump_json(indent=2).encode())
        Scorer.load(folder)
    return path


def _array_files(
    parts: Sequence[Part], preprocessor: Preprocessor, panel_scores_N: npt.NDArray[np.floating]
) -> dict[str, bytes]:
    panel = {f"part-{i}": part.panel_scores.astype(np.float64) for i, part in enumerate(parts)}
    panel[FINAL] = panel_scores_N.astype(np.float64)
    return {
        **{part_file(index): to_bytes(part.arrays) for index, part in enumerate(parts)},
        PREPROCESSING: to_bytes(preprocessor.arrays()),
        PANEL: to_bytes(panel),
    }


def _read_back(
    contents: Mapping[str, bytes],
    parts: Sequence[Part],
    preprocessing: Document,
    vote_rate: float | None,
    folder: Path,
) -> Model:
    """The model as a loader sees it, so that golden scores come from what is written."""
    arrays = {file: from_bytes(content, folder / file) for file, content in contents.items()}
    records = [part.record for part in parts]
    return restore_model(preprocessing, records, arrays, vote_rate=vote_rate, folder=folder, device="cpu")


def _golden(model: Model, seed: int) -> bytes:
    rows = model.preprocessor.sample_marginals(N_GOLDEN_ROWS, seed=seed)
    return golden_file(rows, scores_of(model, rows))


def _manifest(**fields: Any) -> Manifest:
    try:
        unversioned = Manifest(**fields)
    except ValidationError as error:
        raise ArtifactError(f"{MANIFEST}: {first_rule(error)}") from error
    return unversioned.model_copy(update={"version": content_version(unversioned)})


def _plain(document: Mapping[str, Any]) -> Document:
    plain: Document = json.loads(to_json(dict(document), inf_nan_mode="null"))
    return plain
