"""A threshold for every group of rows that has enough of the panel, and which one a row is held against.

What is usual differs between kinds of rows (METHODS M07, `mixer`). Shapes: N panel rows, M rows, K groups.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl_ad.artifact.manifest import MAX_TEXT, Threshold
from automl_ad.artifact.threshold import CUT_RULES
from automl_ad.config import ThresholdRule
from automl_ad.data.groups import group_texts

MIN_GROUP_ROWS = 50
"""A standard deviation of fewer is off by over a tenth, and a tail would have fewer than twelve peaks."""
EXTRAPOLATES: frozenset[ThresholdRule] = frozenset({"pot", "ema"})
"""Rules that follow a rate below one row of the group. The others would put the threshold at its maximum."""
MAX_COLUMN_SHOWN = 100
"""Letters of a column's name in the rule's text."""


def with_groups(
    threshold: Threshold,
    panel_scores_N: npt.NDArray[np.floating],
    groups_N: Sequence[str | None],
    *,
    column: str,
    rate: float,
    rule: ThresholdRule,
) -> Threshold:
    """The same threshold with those of the groups (named as by `group_texts`) that have enough panel rows.

    Rows of the other groups, and rows without a value in the column, keep the threshold of all.
    """
    names_N = np.array(groups_N, dtype=object)
    names = sorted({name for name in groups_N if name is not None and len(name) <= MAX_TEXT})
    scores_of = {name: panel_scores_N[names_N == name].astype(np.float64) for name in names}
    least = MIN_GROUP_ROWS if rule in EXTRAPOLATES else max(MIN_GROUP_ROWS, math.ceil(1 / rate))
    own = {
        name: CUT_RULES[rule](scores_n, rate)[0]
        for name, scores_n in scores_of.items()
        if len(scores_n) >= least
    }
    sentence = (
        f"{len(own):,} of {len(names):,} groups of {column[:MAX_COLUMN_SHOWN]!r} have {least:,} panel rows"
    )
    return Threshold(
        value=threshold.value,
        rule=f"{threshold.rule}; {sentence} and a threshold of their own",
        per_group={column: own} if own else None,
    )


def row_thresholds(threshold: Threshold, rows: pa.Table | pa.RecordBatch) -> float | npt.NDArray[np.float64]:
    """What to hold the rows against: [M] where they carry the column of the groups, else one value.

    Raises RowsError for a column that cannot name groups.
    """
    for column, own in (threshold.per_group or {}).items():
        index = rows.schema.get_field_index(column)
        if index >= 0:
            texts = group_texts(rows.column(index), column)
            codes = pc.fill_null(pc.index_in(texts, value_set=pa.array(own, pa.large_string())), len(own))
            values_K1 = np.array([*own.values(), threshold.value])
            return np.asarray(values_K1[codes.to_numpy(zero_copy_only=False)])
    return threshold.value
