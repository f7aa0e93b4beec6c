"""What every codec demands of a request's rows before anything is decoded: how many, and which columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from automl_ad.errors import RowsError, did_you_mean
from automl_ad.rpc.options import Limits

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.data import FeatureKind, Schema

Rows = npt.NDArray[np.floating] | pa.Table
"""A matrix [M, F] in schema order, or a table with the schema's columns: what `Scorer.score` takes."""
GROUP: Literal["group"] = "group"
"""Kind of the column that names a row's group."""
MAX_ENCODED_VALUES = 2**26
"""Numbers that the rows of one request may become: 512 MiB of float64. Bits, categories and nulls take
less on the wire than in memory, so that the size of the message does not bound them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowShape:
    """The rows that a model takes."""

    schema: Schema
    group_column: str
    """The column that may be there beside the features; empty where no groups have thresholds."""
    n_encoded: int
    """Numbers that a row becomes."""

    @classmethod
    def of(cls, scorer: Scorer) -> Self:
        """What the scorer takes."""
        groups = scorer.manifest.threshold.per_group or {}
        return cls(schema=scorer.schema, group_column=next(iter(groups), ""), n_encoded=scorer.n_encoded)

    @property
    def kinds(self) -> Mapping[str, FeatureKind | Literal["group"]]:
        """Column -> its kind, the column of the groups last."""
        kinds: dict[str, FeatureKind | Literal["group"]] = {f.name: f.kind for f in self.schema.features}
        if self.group_column:
            kinds.setdefault(self.group_column, GROUP)
        return kinds

    def check_count(self, n_rows: int, limits: Limits) -> None:
        """Raise RowsError unless there is a row, and not too many."""
        if n_rows < 1:
            raise RowsError(f"a request must carry at least one row, got {n_rows}")
        max_rows = min(limits.max_rows, max(1, MAX_ENCODED_VALUES // self.n_encoded))
        if n_rows > max_rows:
            raise RowsError(
                f"a request may carry at most {max_rows} rows, got {n_rows}",
                "split the rows over several requests",
            )

    def check_width(self, n_features: int) -> None:
        """Raise RowsError unless rows can be plain numbers and have that many features."""
        features = self.schema.features
        if not self.schema.is_all_numeric:
            other = next(feature for feature in features if feature.kind not in ("numeric", "boolean"))
            raise RowsError(
                f"a matrix needs numeric features only, but {other.name!r} is {other.kind}",
                "send the rows by columns",
            )
        if n_features != len(features):
            raise RowsError(f"a row must have {len(features)} features, got {n_features}")

    def check_names(self, names: Sequence[str], limits: Limits) -> None:
        """Raise RowsError unless the names are those of the features, each once, in any order.

        The column of the groups may be among them.
        """
        if len(names) > limits.max_columns:
            raise RowsError(f"a request may carry at most {limits.max_columns} columns, got {len(names)}")
        counts, kinds = Counter(names), self.kinds
        for name in counts:
            if name not in kinds:
                raise RowsError(f"the model has no column {name[:100]!r}", did_you_mean(name[:100], kinds))
        for name in kinds:
            if name not in counts and kinds[name] != GROUP:
                raise RowsError(
                    f"column {name!r} is missing", f"the model needs {len(self.schema.features)} columns"
                )
        if len(names) > len(counts):
            raise RowsError(f"column {next(name for name in counts if counts[name] > 1)!r} is given twice")
