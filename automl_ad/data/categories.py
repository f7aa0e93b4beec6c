"""Categorical columns: one-hot for few values, the logarithm of their frequency for many.

Shapes: N rows, K known values, D encoded features of this column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl_ad.data.conversion import require_present, texts_of
from automl_ad.data.scaling import checked_array
from automl_ad.data.schema import Feature
from automl_ad.errors import ArtifactError, DataError

MAX_ONE_HOT = 32
"""More values than this would let one column outweigh all others in every distance."""

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryPlan:
    """The part of a category encoder that is JSON."""

    encoding: Literal["one_hot", "frequency"]
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class CategoryEncoder:
    """One row of `table` for each value: the known values, then missing, then any other."""

    feature: Feature
    plan: CategoryPlan
    counts: Matrix
    """[K + 1], rows seen with each value, then with none."""
    known: pa.Array
    table_KD: Matrix
    """[K + 2, D]."""

    @classmethod
    def fit(cls, name: str, column: Any, *, is_nullable: bool = False) -> CategoryEncoder:
        """From a column with at least one value; `is_nullable` also where none of these is missing."""
        texts = texts_of(column, name)
        values, counts = value_counts(texts, name)
        encoding: Literal["one_hot", "frequency"] = "one_hot" if len(values) <= MAX_ONE_HOT else "frequency"
        has_missing = is_nullable or texts.null_count > 0
        extra = ", missing" if has_missing else ""
        policy = {
            "one_hot": f"one-hot: {len(values)} values{extra}, other",
            "frequency": f"log(1 + count) of {len(values)} values{extra}, 0 for any other",
        }
        feature = Feature(
            name=name,
            kind="categorical",
            arrow_type=str(column.type),
            is_nullable=has_missing,
            policy=policy[encoding],
        )
        plan = CategoryPlan(encoding=encoding, values=tuple(values))
        return cls._of(feature, plan, np.array([*counts, texts.null_count], dtype=np.float64))

    @classmethod
    def _of(cls, feature: Feature, plan: CategoryPlan, counts: Matrix) -> CategoryEncoder:
        known = pa.array(plan.values, pa.large_string())
        table_KD = _one_hot(feature, counts) if plan.encoding == "one_hot" else _log_counts(counts)
        return cls(feature=feature, plan=plan, counts=counts, known=known, table_KD=table_KD)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the encoded features."""
        name = self.feature.name
        if self.plan.encoding == "frequency":
            return (f"{name}__log_count",)
        missing = (f"{name}__missing",) if self.feature.is_nullable else ()
        return (*(f"{name}={value}" for value in self.plan.values), *missing, f"{name}__other")

    def encode(self, column: Any) -> Matrix:
        """[N, D]. A value never seen at fit is `other`.

        Raises RowsError for numbers, and for missing values unless nullable.
        """
        texts = texts_of(column, self.feature.name)
        is_missing_N = texts.is_null().to_numpy(zero_copy_only=False)
        require_present(is_missing_N, self.feature)
        n_known = len(self.known)
        codes = pc.fill_null(pc.index_in(texts, value_set=self.known), n_known + 1)
        codes_N = np.where(is_missing_N, n_known, codes.to_numpy(zero_copy_only=False))
        return np.asarray(self.table_KD[codes_N])

    def sample(self, n: int, rng: np.random.Generator) -> pa.Array:
        """Values drawn by their frequency, missing ones included."""
        codes_N = rng.choice(len(self.counts), size=n, p=self.counts / self.counts.sum())
        is_missing_N = codes_N == len(self.known)
        return self.known.take(pa.array(codes_N, mask=is_missing_N)).cast(pa.string())

    def arrays(self) -> dict[str, Matrix]:
        """`counts` [K + 1]."""
        return {"counts": self.counts}

    @classmethod
    def from_arrays(
        cls, feature: Feature, plan: CategoryPlan, arrays: Mapping[str, npt.NDArray[np.generic]], name: str
    ) -> CategoryEncoder:
        """The encoder that `arrays` described. Raises ArtifactError naming the array under `name`."""
        counts = checked_array(arrays, f"{name}/counts", (len(plan.values) + 1,))
        if not ((counts >= 0).all() and counts.sum() > 0):
            raise ArtifactError(f"array '{name}/counts' must hold counts, got {counts.min()} as the lowest")
        return cls._of(feature, plan, counts)


def value_counts(texts: Any, name: str) -> tuple[list[str], list[int]]:
    """The values that are there, sorted, and how often each. Raises DataError for text that is not UTF-8."""
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"column '{name}' must hold UTF-8 text, got other bytes", "write the file again as UTF-8"
        ) from error
    counted = texts.drop_null().value_counts()
    pairs = sorted(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
    return [value for value, _ in pairs], [count for _, count in pairs]


def _one_hot(feature: Feature, counts: Matrix) -> Matrix:
    """[K + 2, D]: the identity; without the column for missing when that is never accepted."""
    n_known = len(counts) - 1
    table_KD = np.eye(n_known + 2)
    return table_KD if feature.is_nullable else np.delete(table_KD, n_known, axis=1)


def _log_counts(counts: Matrix) -> Matrix:
    """[K + 2, 1]: log(1 + count), so that a value never seen is 0 and a rare one is next to it."""
    return np.asarray(np.log1p(np.append(counts, 0.0))[:, None])
