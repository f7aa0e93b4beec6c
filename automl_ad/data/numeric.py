"""Numeric and boolean columns: the value itself, the median where it is missing, and a flag for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.data.conversion import numbers_of, require_finite, require_present
from automl_ad.data.marginals import NumberMarginal
from automl_ad.data.scaling import HUGE, checked_array
from automl_ad.data.schema import Feature
from automl_ad.errors import DataError, RowsError

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberPlan:
    """The part of a number encoder that is JSON."""

    encoding: Literal["number"] = "number"
    is_whole: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NumberEncoder:
    """[value] or, for a nullable feature, [value or median, 1 where missing]."""

    feature: Feature
    plan: NumberPlan
    fill: float
    """The median at fit, in place of a missing value."""
    marginal: NumberMarginal

    @classmethod
    def fit(cls, name: str, column: Any, *, is_nullable: bool = False) -> NumberEncoder:
        """From a column with at least one value; `is_nullable` also where none of these is missing.

        Raises DataError when there are infinities.
        """
        values_N = finite_numbers(column, name)
        is_missing_N = np.isnan(values_N)
        present = values_N[~is_missing_N]
        has_missing = is_nullable or bool(is_missing_N.any())
        return cls(
            feature=Feature(
                name=name,
                kind="boolean" if pa.types.is_boolean(column.type) else "numeric",
                arrow_type=str(column.type),
                is_nullable=has_missing,
                policy="as is" + (f", median where missing, flag {name}__missing" if has_missing else ""),
            ),
            plan=NumberPlan(is_whole=bool((present == np.floor(present)).all())),
            fill=float(np.median(np.clip(present, -HUGE, HUGE))),
            marginal=NumberMarginal.fit(values_N),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded features."""
        name = self.feature.name
        return (name, f"{name}__missing") if self.feature.is_nullable else (name,)

    def encode(self, column: Any) -> Matrix:
        """[N, 1 or 2]. Raises RowsError for infinities, for missing values unless nullable, and for text."""
        values_N = numbers_of(column, self.feature.name)
        self.check(values_N)
        is_missing_N = np.isnan(values_N)
        filled_N = np.where(is_missing_N, self.fill, values_N)
        return np.stack([filled_N, is_missing_N], axis=1) if self.feature.is_nullable else filled_N[:, None]

    def check(self, values_N: Matrix) -> None:
        """Raise RowsError unless the values (NaN = missing) may be encoded."""
        require_finite(values_N, self.feature.name)
        require_present(np.isnan(values_N), self.feature)
        is_bit_N = np.isnan(values_N) | (values_N == 0) | (values_N == 1)
        if self.feature.kind == "boolean" and not is_bit_N.all():
            row = int((~is_bit_N).argmax())
            raise RowsError(
                f"column '{self.feature.name}' must be boolean (0 or 1), got {values_N[row]} in row {row}",
                "send true or false",
            )

    def sample(self, n: int, rng: np.random.Generator) -> pa.Array:
        """Values drawn from the marginal, whole numbers rounded, booleans as booleans."""
        values_N = self.marginal.sample(n, rng)
        rounded_N = np.rint(values_N) if self.plan.is_whole else values_N
        drawn = pa.array(rounded_N, from_pandas=True)
        return drawn.cast(pa.bool_()) if self.feature.kind == "boolean" else drawn

    def arrays(self) -> dict[str, Matrix]:
        """`fill` [1] and the marginal."""
        return {"fill": np.array([self.fill]), **self.marginal.arrays()}

    @classmethod
    def from_arrays(
        cls, feature: Feature, plan: NumberPlan, arrays: Mapping[str, npt.NDArray[np.generic]], name: str
    ) -> NumberEncoder:
        """The encoder that `arrays` described. Raises ArtifactError naming the array under `name`."""
        fill = float(checked_array(arrays, f"{name}/fill", (1,))[0])
        marginal = NumberMarginal.from_arrays(arrays, name)
        return cls(feature=feature, plan=plan, fill=fill, marginal=marginal)


def finite_numbers(column: Any, name: str) -> Matrix:
    """[N] of a column to fit on, NaN where missing. Raises DataError with the number of infinities."""
    values_N = numbers_of(column, name)
    n_infinite = int(np.isinf(values_N).sum())
    if n_infinite:
        raise DataError(
            f"column '{name}' must be finite, got {n_infinite} infinite values in {len(values_N)} rows",
            "replace them with null (missing), or drop the column",
        )
    return values_N
