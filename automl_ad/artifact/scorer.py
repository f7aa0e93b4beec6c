"""The only place that turns rows into scores (DESIGN D9): encode, scale, detect, combine, compare.

Shapes: M rows, F raw features, D encoded features, N panel rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from automl_ad.artifact.ensemble import combine
from automl_ad.artifact.folder import read_recorded
from automl_ad.artifact.golden import read_golden, require_same_scores
from automl_ad.artifact.group_thresholds import row_thresholds
from automl_ad.artifact.loading import Model, load_artifact
from automl_ad.artifact.manifest import EXPORT_AGAIN, GOLDEN, Manifest
from automl_ad.data import Schema
from automl_ad.errors import ArtifactError, ConfigError, RowsError
from automl_ad.results import AnomalyScores

Rows: TypeAlias = pa.Table | pa.RecordBatch | npt.NDArray[Any] | Mapping[str, Sequence[Any]]
"""Rows by columns, or a matrix [M, F] in schema order when every feature is a number or a boolean."""


class Scorer:
    """An artifact, ready to score. Holds no state of a call, so that threads may share it."""

    def __init__(self, manifest: Manifest, model: Model, *, name: str | None = None) -> None:
        self._manifest = manifest
        self._name = manifest.name if name is None else name
        self._model = model
        self._panel_ascending_N = np.sort(model.panel_scores)

    @classmethod
    def load(
        cls, path: str | Path, *, device: str = "cpu", check_golden: bool = True, name: str | None = None
    ) -> Self:
        """The artifact in the folder `path`, checked; `check_golden` scores 32 rows whose scores are known.

        `name` is what a registry calls the model; without it, the manifest's counts. Executes no code of
        the folder. Raises ArtifactError, and ConfigError for an unknown device.
        """
        _require_device(device)
        manifest, model = load_artifact(Path(path), device=device)
        golden = read_recorded(Path(path), GOLDEN, manifest.files[GOLDEN])
        if check_golden:
            _check_golden(model, golden, Path(path) / GOLDEN)
        return cls(manifest, model, name=name)

    @property
    def manifest(self) -> Manifest:
        """What is known of the artifact: data, parts, evidence, threshold, libraries."""
        return self._manifest

    @property
    def name(self) -> str:
        """Name of the model: the registry's, else the manifest's."""
        return self._name

    @property
    def version(self) -> str:
        """Hash of its content."""
        return self._manifest.version

    @property
    def schema(self) -> Schema:
        """What a row must look like."""
        return self._model.preprocessor.schema

    @property
    def panel_percentiles(self) -> npt.NDArray[np.float64]:
        """[N] ascending, of the panel itself: what percentiles look like on the data of the search."""
        return self._percentiles(self._panel_ascending_N)

    @property
    def n_encoded(self) -> int:
        """D, the numbers that a row becomes before it is scaled."""
        return len(self._model.preprocessor.encoded_names)

    def score(self, rows: Rows) -> AnomalyScores:
        """Scores in the order of the rows; columns that are no features are ignored.

        Except one: where the artifact knows thresholds of groups, and the rows their group, `is_anomaly`
        follows the group's. A matrix has no such column. Raises RowsError naming column, row and rule when
        the rows do not fit the schema.
        """
        if isinstance(rows, Mapping):
            rows = _table_of(rows)
        scores_M = scores_of(self._model, rows)
        threshold = self._manifest.threshold
        is_named = not isinstance(rows, np.ndarray)
        against_M = row_thresholds(threshold, rows) if is_named else threshold.value
        return AnomalyScores(
            anomaly_score=scores_M,
            percentile=self._percentiles(scores_M),
            is_anomaly=scores_M > against_M,
            threshold=threshold.value,
            model=self.name,
            version=self.version,
            row_threshold=against_M if isinstance(against_M, np.ndarray) else None,
        )

    def encode(self, rows: Rows) -> npt.NDArray[np.float64]:
        """[M, D], the rows as numbers, not yet scaled. Raises RowsError."""
        return _encode(self._model, rows)

    def score_encoded(self, encoded_MD: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """[M] anomaly scores of encoded rows, equal to those of `score`. Raises RowsError."""
        return scores_of_encoded(self._model, encoded_MD)

    @property
    def encoded_places(self) -> tuple[slice, ...]:
        """[F], where each feature stands among the D encoded numbers."""
        widths = [len(encoder.names) for encoder in self._model.preprocessor.encoders]
        ends = np.cumsum(widths).tolist()
        return tuple(slice(end - width, end) for end, width in zip(ends, widths, strict=True))

    def sample_encoded(self, n: int, *, seed: int) -> npt.NDArray[np.float64]:
        """[n, D], rows that nobody had: each feature drawn by itself from its marginal."""
        return self.encode(self._model.preprocessor.sample_marginals(n, seed=seed))

    def _percentiles(self, scores_M: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        below_M = np.searchsorted(self._panel_ascending_N, scores_M, side="right")
        return np.asarray(100.0 * below_M.astype(np.float64) / len(self._panel_ascending_N))


def scores_of(model: Model, rows: Rows) -> npt.NDArray[np.float64]:
    """[M] anomaly scores of the rows. Raises RowsError."""
    return scores_of_encoded(model, _encode(model, rows))


def scores_of_encoded(model: Model, encoded_MD: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """[M] anomaly scores of rows as `Preprocessor.encode` gives them. Raises RowsError."""
    if not len(encoded_MD):
        return np.empty(0)
    scaled = {prep: model.preprocessor.scale(encoded_MD, prep) for prep in {p.prep for p in model.parts}}
    scores_M = combine(
        [(part.weight, part.ecdf, part.scores(scaled[part.prep])) for part in model.parts],
        vote_rate=model.vote_rate,
    )
    _require_numbers(scores_M)
    return scores_M


def _check_golden(model: Model, content: bytes, path: Path) -> None:
    rows, expected_M = read_golden(content, path)
    try:
        scores_M = scores_of(model, rows)
    except RowsError as error:
        raise ArtifactError(f"{path}: {error.message}", EXPORT_AGAIN) from error
    require_same_scores(expected_M, scores_M, path)


def _encode(model: Model, rows: Rows) -> npt.NDArray[np.float64]:
    if isinstance(rows, np.ndarray):
        return model.preprocessor.encode_rows(rows)
    if isinstance(rows, Mapping):
        return model.preprocessor.encode(_table_of(rows))
    return model.preprocessor.encode(rows)


def _table_of(columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    try:
        return pa.table(dict(columns))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise RowsError(
            f"rows must be equally long columns of values of one kind, got: {error}",
            'write for example {"amount": [3.5, 4.0], "country": ["fr", None]}',
        ) from error


def _require_numbers(scores_M: npt.NDArray[np.float64]) -> None:
    """Scores are never replaced (DESIGN D2): a row that gets none is refused by position."""
    is_missing_M = np.isnan(scores_M)
    if is_missing_M.any():
        raise RowsError(
            f"row {int(np.argmax(is_missing_M))} must have a score, got NaN from the detector",
            "the row is far outside of the data that the model has seen: score it apart",
        )


def _require_device(device: str) -> None:
    try:
        kind = torch.device(device).type
    except RuntimeError as error:
        raise ConfigError(
            f"device must be cpu, cuda or cuda:N, got {device!r}", "use --device cpu"
        ) from error
    if kind not in ("cpu", "cuda") or (kind == "cuda" and not torch.cuda.is_available()):
        raise ConfigError(f"device {device!r} must be available, got no such device here", "use --device cpu")
