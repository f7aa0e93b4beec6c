"""The one way from raw columns to what detectors see: fitted once per study, the same at scoring.

Shapes: N rows, F raw features, D encoded features.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.data.conversion import numbers_of
from automl_ad.data.document import Document, read_document
from automl_ad.data.images import ImageEncoder
from automl_ad.data.numeric import NumberEncoder
from automl_ad.data.planning import Encoder, plan_columns
from automl_ad.data.rows import RowEncoder
from automl_ad.data.scaling import Matrix, Scaler, fit_scalers
from automl_ad.data.schema import Schema
from automl_ad.errors import ConfigError, RowsError, did_you_mean


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Preprocessor:
    """Schema, encoders and scalers. `encode` needs no scaler; `scale` knows only encoded features."""

    schema: Schema
    encoders: tuple[Encoder, ...]
    """One per feature of the schema."""
    scalers: Mapping[str, Scaler]
    """zscore, robust, minmax, none for tables; unit, pm1, none for images."""
    encoded_names: tuple[str, ...]
    """The D names of encoded features."""
    row_encoder: RowEncoder | None
    """None unless the schema is all numeric."""

    @classmethod
    def fit(
        cls,
        columns: pa.Table,
        *,
        row_positions: npt.NDArray[np.int64] | None = None,
        nullable: Collection[str] = (),
    ) -> Preprocessor:
        """Fitted on just these rows.

        `row_positions` [N] (`Table.row_positions`) tells a row counter in a sample. `nullable`
        (`columns_with_missing` of all rows) accepts missing values where only rows held out have them.
        Raises DataError for infinities and when no feature is left.
        """
        positions_N = np.arange(columns.num_rows) if row_positions is None else row_positions
        encoders, dropped = plan_columns(columns, positions_N, nullable)
        is_image = encoders[0].feature.kind == "image"
        schema = Schema(
            kind="image" if is_image else "tabular",
            features=tuple(encoder.feature for encoder in encoders),
            dropped=dropped,
        )
        encoded_ND = _encode_each(encoders, columns)
        return cls._of(schema, encoders, fit_scalers(encoded_ND, schema.kind))

    @classmethod
    def _of(
        cls, schema: Schema, encoders: tuple[Encoder, ...], scalers: Mapping[str, Scaler]
    ) -> Preprocessor:
        numeric = [encoder for encoder in encoders if isinstance(encoder, NumberEncoder)]
        return cls(
            schema=schema,
            encoders=encoders,
            scalers=scalers,
            encoded_names=tuple(name for encoder in encoders for name in encoder.names),
            row_encoder=RowEncoder.of(numeric) if len(numeric) == len(encoders) else None,
        )

    @property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of every image, D = C * H * W encoded features; None for tables."""
        first = self.encoders[0]
        return first.plan.shape if isinstance(first, ImageEncoder) else None

    def encode(self, columns: pa.Table | pa.RecordBatch) -> Matrix:
        """float64 [N, D]. Columns are found by name in any order; others are ignored.

        Raises RowsError naming column, row and rule.
        """
        _require_columns(self.schema.feature_names, columns.schema.names)
        if self.row_encoder is None:
            return _encode_each(self.encoders, columns)
        values_NF = np.empty((columns.num_rows, len(self.encoders)))
        for place, name in enumerate(self.schema.feature_names):
            values_NF[:, place] = numbers_of(columns.column(name), name)
        return self.row_encoder.encode_values(values_NF)

    def encode_rows(self, rows_NF: npt.ArrayLike) -> Matrix:
        """float64 [N, D] of rows given as numbers in schema order, NaN = missing; equal to `encode`.

        Raises RowsError naming column, row and rule, and when a feature of the schema is no number.
        """
        if self.row_encoder is None:
            others = [f.name for f in self.schema.features if f.kind not in ("numeric", "boolean")]
            raise RowsError(
                f"rows of numbers need an all-numeric schema, got other columns: {', '.join(others)}",
                "send named columns",
            )
        return self.row_encoder(rows_NF)

    def scale(self, encoded_ND: Matrix, prep: str) -> npt.NDArray[np.float32]:
        """float32 [N, D], scaled and clipped."""
        return self._scaler(prep)(encoded_ND)

    def unscale(self, scaled_ND: npt.NDArray[np.floating], prep: str) -> Matrix:
        """float64 [N, D], the inverse of `scale` where nothing was clipped."""
        return self._scaler(prep).inverse(scaled_ND)

    def sample_marginals(self, n: int, *, seed: int) -> pa.Table:
        """N raw rows, each feature drawn by itself: example rows that have been nobody's (see marginals)."""
        drawn = {
            encoder.feature.name: encoder.sample(n, np.random.default_rng([seed, place]))
            for place, encoder in enumerate(self.encoders)
        }
        return pa.table(drawn)

    def to_json(self) -> dict[str, Any]:
        """What is no array, as a JSON document; with `arrays`, all there is."""
        plans = tuple(encoder.plan for encoder in self.encoders)
        return Document(schema=self.schema, plans=plans, encoded_names=self.encoded_names).to_json()

    def arrays(self) -> dict[str, npt.NDArray[np.generic]]:
        """Every fitted number: `feature/3/quantiles`, `scaler/zscore/center`, ..."""
        features = {
            f"feature/{place}/{key}": array
            for place, encoder in enumerate(self.encoders)
            for key, array in encoder.arrays().items()
        }
        scalers = {
            f"scaler/{prep}/{key}": array
            for prep, scaler in self.scalers.items()
            for key, array in scaler.arrays().items()
        }
        return {**features, **scalers}

    @classmethod
    def from_parts(
        cls, document: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[np.generic]]
    ) -> Preprocessor:
        """The preprocessor that `to_json` and `arrays` described.

        Raises ArtifactError naming the field or array.
        """
        schema, encoders, scalers = read_document(document, arrays)
        return cls._of(schema, encoders, scalers)

    def _scaler(self, prep: str) -> Scaler:
        if prep not in self.scalers:
            raise ConfigError(f"prep must be a scaler, got '{prep}'", did_you_mean(prep, self.scalers))
        return self.scalers[prep]


def _encode_each(encoders: tuple[Encoder, ...], columns: pa.Table | pa.RecordBatch) -> Matrix:
    blocks = [encoder.encode(columns.column(encoder.feature.name)) for encoder in encoders]
    return np.concatenate(blocks, axis=1)


def _require_columns(wanted: tuple[str, ...], names: list[str]) -> None:
    """Raise RowsError when a column is missing, or there twice."""
    counts = Counter(names)
    for name in wanted:
        if counts[name] == 0:
            raise RowsError(f"rows must have a column '{name}', got none", did_you_mean(name, names))
        if counts[name] > 1:
            raise RowsError(f"column names must be unique, got '{name}' {counts[name]} times", "rename one")
