"""A parquet file of scores, made of batches of rows: in their order, and complete or not there at all."""

from __future__ import annotations

import os
import re
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from automl_ad.data.sources import find_files
from automl_ad.errors import ConfigError, DataError, RowsError
from automl_ad.results import AnomalyScores

ROW_GROUP_ROWS = 2**17
"""Rows gathered before they are written: 4 MB of scores, and few enough row groups for a small footer."""

REPEATING = ["percentile"]
"""Only here a dictionary pays; trying one on scores and ids takes two thirds of the writing."""

ScoreAll = Callable[[Iterator[pa.RecordBatch]], Iterator[AnomalyScores]]
"""One answer for every batch, in order. Batches may be taken ahead of the answers, by another thread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchReport:
    """What was scored."""

    n_rows: int
    n_anomalies: int


def score_batches(
    batches: Iterator[pa.RecordBatch],
    score: ScoreAll,
    output: Path,
    *,
    sources: Sequence[str],
    id_column: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> BatchReport:
    """Write row_id, anomaly_score, percentile, is_anomaly of every row of the batches to `output`.

    row_id is the value of `id_column`, or the row's position. `output` appears when it is complete, in place
    of an older file; it may not be one of the `sources`. `on_progress` is told the rows done so far. Raises
    DataError and, naming the position of the row, RowsError.
    """
    _require_apart(output, sources)
    groups = _row_groups(_scored_batches(batches, score, id_column, on_progress))
    first = next(groups, None)
    if first is None:
        raise DataError(f"there must be rows to score, got none in {', '.join(sources)}", "give more data")
    n_rows = n_anomalies = 0
    with (
        _completed(output) as partial,
        pq.ParquetWriter(partial, first.schema, use_dictionary=REPEATING) as writer,
    ):
        for group in chain([first], groups):
            writer.write_table(group)
            n_rows += group.num_rows
            n_anomalies += pc.sum(group["is_anomaly"]).as_py()
    return BatchReport(n_rows=n_rows, n_anomalies=n_anomalies)


@contextmanager
def rows_counted_from(start: int) -> Iterator[None]:
    """RowsError about a batch whose first row is row `start` leaves the block with the position over all."""
    try:
        yield
    except RowsError as error:
        raise RowsError(_counted_from(start, error.message), error.hint) from error


def _scored_batches(
    batches: Iterator[pa.RecordBatch],
    score: ScoreAll,
    id_column: str | None,
    on_progress: Callable[[int], None] | None,
) -> Iterator[pa.RecordBatch]:
    n_done = 0
    waiting: deque[pa.RecordBatch] = deque()
    answers = score(_noted(batches, waiting))
    while (scores := _next_scores(answers, n_done)) is not None:
        batch = waiting.popleft()
        yield _table_of(scores, _row_ids(batch, n_done, id_column))
        n_done += batch.num_rows
        if on_progress is not None:
            on_progress(n_done)


def _noted(batches: Iterator[pa.RecordBatch], waiting: deque[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches, each noted as waiting for its answer before it is handed over."""
    for batch in batches:
        waiting.append(batch)
        yield batch


def _next_scores(answers: Iterator[AnomalyScores], n_done: int) -> AnomalyScores | None:
    with rows_counted_from(n_done):
        return next(answers, None)


def _row_ids(batch: pa.RecordBatch, start: int, id_column: str | None) -> pa.Array:
    if id_column is None:
        return pa.array(np.arange(start, start + batch.num_rows, dtype=np.int64))
    return batch.column(id_column)


def _table_of(scores: AnomalyScores, row_ids: pa.Array) -> pa.RecordBatch:
    return pa.record_batch(
        {
            "row_id": row_ids,
            "anomaly_score": pa.array(scores.anomaly_score),
            "percentile": pa.array(scores.percentile),
            "is_anomaly": pa.array(scores.is_anomaly),
        }
    )


def _counted_from(start: int, message: str) -> str:
    """The message with its `row N`, counted within the batch, counted over all sources; no number of a chunk.

    >>> _counted_from(8192, "column 'a' must be finite, got inf in row 3")
    "column 'a' must be finite, got inf in row 8195"
    """
    message = re.sub(r"^chunk \d+: ", "", message)
    return re.sub(r"\brow (\d+)\b", lambda match: f"row {int(match[1]) + start}", message)


def _row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables of at least ROW_GROUP_ROWS, the last one excepted; none without rows."""
    pending: list[pa.RecordBatch] = []
    n_pending = 0
    for batch in batches:
        pending.append(batch)
        n_pending += batch.num_rows
        if n_pending >= ROW_GROUP_ROWS:
            yield pa.Table.from_batches(pending)
            pending, n_pending = [], 0
    if n_pending:
        yield pa.Table.from_batches(pending)


def _require_apart(output: Path, sources: Sequence[str]) -> None:
    """Refuse an output that is one of the files to read."""
    inputs = {Path(file.name).resolve() for file in find_files(sources)}
    if output.resolve() in inputs:
        raise ConfigError(
            f"output must not be one of the data files, got {output} for both", "choose another name"
        )


@contextmanager
def _completed(output: Path) -> Iterator[Path]:
    """A temporary sibling to write into, which takes the place of `output` when the block succeeds."""
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
        _sync(partial)
        partial.replace(output)
        _sync(output.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until the file's bytes, or the folder's names, would outlive a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
