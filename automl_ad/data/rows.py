"""Rows of plain numbers, encoded at once without Arrow: the fast way for a request of one row.

Shapes: N rows, F raw features, D encoded features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_ad.data.numeric import NumberEncoder
from automl_ad.errors import RowsError

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RowEncoder:
    """What the number encoders do one by one, as one operation over all columns."""

    encoders: tuple[NumberEncoder, ...]
    fills_F: Matrix
    value_places_F: npt.NDArray[np.int64]
    """Column of each value among the D encoded ones."""
    nullable: npt.NDArray[np.int64]
    """Places of the nullable features among the F raw ones; a flag follows the value of each."""
    has_booleans: bool

    @classmethod
    def of(cls, encoders: Sequence[NumberEncoder]) -> RowEncoder:
        """For the encoders in schema order."""
        widths_F = np.array([len(encoder.names) for encoder in encoders])
        return cls(
            encoders=tuple(encoders),
            fills_F=np.array([encoder.fill for encoder in encoders]),
            value_places_F=np.cumsum(widths_F) - widths_F,
            nullable=np.flatnonzero(widths_F == 2),
            has_booleans=any(encoder.feature.kind == "boolean" for encoder in encoders),
        )

    def __call__(self, rows_NF: npt.ArrayLike) -> Matrix:
        """[N, D], equal to encoding column by column. Raises RowsError naming column, row and rule."""
        return self.encode_values(self._as_matrix(rows_NF))

    def encode_values(self, values_NF: Matrix) -> Matrix:
        """[N, D] of a float64 matrix of the right shape; may be `values_NF` itself. Raises as above."""
        is_complete = bool(np.isfinite(values_NF).all())
        if self.has_booleans or not is_complete:
            for encoder, values_N in zip(self.encoders, values_NF.T, strict=True):
                encoder.check(values_N)
        if not len(self.nullable):
            return values_NF
        encoded_ND = np.zeros((len(values_NF), len(self.encoders) + len(self.nullable)))
        encoded_ND[:, self.value_places_F] = values_NF
        if not is_complete:
            is_missing_NF = np.isnan(values_NF)
            encoded_ND[:, self.value_places_F] = np.where(is_missing_NF, self.fills_F, values_NF)
            encoded_ND[:, self.value_places_F[self.nullable] + 1] = is_missing_NF[:, self.nullable]
        return encoded_ND

    def _as_matrix(self, rows_NF: npt.ArrayLike) -> Matrix:
        """A float64 copy of the right shape."""
        n_features = len(self.encoders)
        try:
            values_NF = np.array(rows_NF, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise RowsError(f"rows must be numbers, got: {error}", "send one number per feature") from error
        if values_NF.ndim != 2 or values_NF.shape[1] != n_features:
            raise RowsError(
                f"rows must have shape [N, {n_features}], got {list(values_NF.shape)}",
                f"the columns are {', '.join(encoder.feature.name for encoder in self.encoders)}",
            )
        return values_NF
