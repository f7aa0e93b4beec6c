"""The decision about each column: which encoder it gets, or why it is dropped."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from automl_ad.data.categories import CategoryEncoder, value_counts
from automl_ad.data.conversion import decoded, is_number, is_text, is_time, seconds_of, texts_of
from automl_ad.data.images import ImageEncoder, holds_images
from automl_ad.data.numeric import NumberEncoder, finite_numbers
from automl_ad.data.schema import Dropped
from automl_ad.data.times import TimeEncoder
from automl_ad.errors import DataError, listing

Encoder = NumberEncoder | CategoryEncoder | TimeEncoder | ImageEncoder

IDENTIFIER_SHARE = 0.95
"""Text with a different value in at least this share of the rows names rows and does not describe them."""
IDENTIFIER_MIN_VALUES = 20
IDENTIFIER_NAME = re.compile(
    r"(?i:(^|[_\W])(id|idx|index|uuid|guid|key|rowid|rownum|unnamed: ?\d+)$)"
    r"|[a-z](Id|ID)$|^__index_level_\d+__$"
)
"""`id`, `row_id`, `userId`, and how pandas names its index in CSV and parquet."""


def plan_columns(
    columns: pa.Table, row_positions: npt.NDArray[np.int64], nullable: Collection[str]
) -> tuple[tuple[Encoder, ...], tuple[Dropped, ...]]:
    """Fitted encoders and dropped columns, both in file order. An image column must be the only column.

    `row_positions` [N]: where the rows stood in the source, to know a row counter in a sample. `nullable`:
    columns that may be missing although none of these rows is.
    Raises DataError when an image column has company, and when nothing is left.
    """
    images = [name for name in columns.column_names if holds_images(columns.column(name))]
    if images:
        _require_alone(images[0], columns.column_names)
        return (ImageEncoder.fit(images[0], columns.column(images[0])),), ()
    plans = [
        plan_column(name, columns.column(name), row_positions, is_nullable=name in nullable)
        for name in columns.column_names
    ]
    encoders = tuple(plan for plan in plans if not isinstance(plan, Dropped))
    dropped = tuple(plan for plan in plans if isinstance(plan, Dropped))
    if not encoders:
        reasons = listing(f"'{drop.name}' ({drop.reason})" for drop in dropped)
        raise DataError(
            f"at least one usable feature column must be left, got only {reasons}", "give columns that vary"
        )
    return encoders, dropped


def plan_column(
    name: str, column: Any, row_positions: npt.NDArray[np.int64], *, is_nullable: bool
) -> Encoder | Dropped:
    """The fitted encoder of one column, or the reason to drop it."""
    plain = decoded(column)
    if plain.null_count == len(plain):
        return Dropped(name=name, reason="all values are missing")
    if is_number(plain.type):
        return _no_number_feature(name, plain, row_positions) or NumberEncoder.fit(
            name, plain, is_nullable=is_nullable
        )
    if is_text(plain.type):
        return _no_text_feature(name, plain) or CategoryEncoder.fit(name, plain, is_nullable=is_nullable)
    if is_time(plain.type):
        return _no_time_feature(name, plain) or TimeEncoder.fit(name, plain, is_nullable=is_nullable)
    return Dropped(name=name, reason=f"type {plain.type} is not supported")


def _no_number_feature(name: str, column: Any, row_positions: npt.NDArray[np.int64]) -> Dropped | None:
    """Why the column is dropped; None when it is a feature. Raises DataError for infinities."""
    values_N = finite_numbers(column, name)
    if np.isnan(values_N).all():
        return Dropped(name=name, reason="all values are missing")
    if (values_N == values_N[0]).all():
        return Dropped(name=name, reason=f"constant: every row is {column[0].as_py()}")
    if _is_counter(values_N, row_positions):
        return Dropped(name=name, reason="identifier-like: counts the rows")
    if IDENTIFIER_NAME.search(name) and _is_whole_and_distinct(column):
        return Dropped(name=name, reason="identifier-like: named like one, and every row has its own number")
    return None


def _no_text_feature(name: str, column: Any) -> Dropped | None:
    texts = texts_of(column, name)
    n_present = len(texts) - texts.null_count
    values, _ = value_counts(texts, name)
    if len(values) == 1 and texts.null_count == 0:
        return Dropped(name=name, reason=f"constant: every row is '{values[0][:40]}'")
    if len(values) >= max(IDENTIFIER_MIN_VALUES, IDENTIFIER_SHARE * n_present):
        reason = f"identifier-like: {len(values)} different values in {n_present} rows"
        return Dropped(name=name, reason=reason)
    return None


def _no_time_feature(name: str, column: Any) -> Dropped | None:
    seconds_N = seconds_of(column, name)
    if (seconds_N == seconds_N[0]).all():
        return Dropped(name=name, reason=f"constant: every row is {column[0].as_py()}")
    return None


def _is_counter(values_N: npt.NDArray[np.float64], row_positions: npt.NDArray[np.int64]) -> bool:
    """Whether the values are the row numbers of the source, counted from any start."""
    return bool((values_N - row_positions == values_N[0] - row_positions[0]).all())


def _is_whole_and_distinct(column: Any) -> bool:
    """Counted by Arrow, because float64 cannot tell large integers apart."""
    present = column.drop_null()
    if not pa.types.is_integer(present.type):
        present = present.cast(pa.float64())
        if not pc.all(pc.equal(present, pc.floor(present))).as_py():
            return False
    return bool(pc.count_distinct(present).as_py() == len(present))


def _require_alone(image: str, names: list[str]) -> None:
    others = [name for name in names if name != image]
    if others:
        flags = " ".join(f"--drop {name}" for name in others[:5])
        raise DataError(
            f"an image column must be the only feature, got '{image}' beside {listing(others)}",
            f"{flags} to search the images, or --drop {image} to search the table",
        )
