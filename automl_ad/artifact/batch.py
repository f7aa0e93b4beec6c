"""Scoring files of any size in constant memory: batches in, a parquet file of scores out.

Shape: M rows of a batch.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from automl_ad.artifact.scorer import Scorer
from automl_ad.data import iter_batches
from automl_ad.data.common import common_schema
from automl_ad.data.sources import find_files
from automl_ad.errors import ConfigError, DataError, RowsError

BATCH_VALUES = 2**20
"""Encoded values of a batch: 8 MB, several of which are alive at a time, however wide the rows."""
MAX_BATCH_ROWS = 2**15
"""For 30 columns 1.2 times faster than 8,192 rows, and than 65,536 (tests/benchmarks/bench_score.py)."""
ROW_GROUP_ROWS = 2**17
"""Rows gathered before they are written: 4 MB of scores, and few enough row groups for a small footer."""

REPEATING = ["percentile"]
"""Only here a dictionary pays; trying one on scores and ids takes two thirds of the writing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchReport:
    """What was scored."""

    n_rows: int
    n_anomalies: int


def score_sources(
    scorer: Scorer,
    sources: Sequence[str],
    output: Path,
    *,
    id_column: str | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> BatchReport:
    """Write row_id, anomaly_score, percentile, is_anomaly of every row of the sources, in order, to `output`.

    row_id is the value of `id_column`, or the row's position over all sources. `output` appears when it is
    complete, in place of an older file. `on_progress` is told the rows done so far. Raises DataError and,
    naming the position of the row, RowsError.
    """
    _require_apart(output, sources)
    groups = _row_groups(_scored_batches(scorer, sources, id_column, on_progress))
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


def _scored_batches(
    scorer: Scorer, sources: Sequence[str], id_column: str | None, on_progress: Callable[[int], None] | None
) -> Iterator[pa.RecordBatch]:
    n_done = 0
    columns = [*scorer.schema.feature_names, *_known_groups(scorer, sources, id_column)]
    batch_rows = min(MAX_BATCH_ROWS, max(1, BATCH_VALUES // scorer.n_encoded))
    for batch in _read_ahead(iter_batches(sources, columns, id_column=id_column, batch_rows=batch_rows)):
        yield _scored(scorer, batch, n_done, id_column)
        n_done += batch.num_rows
        if on_progress is not None:
            on_progress(n_done)


def _known_groups(scorer: Scorer, sources: Sequence[str], id_column: str | None) -> list[str]:
    """The column of the groups that have thresholds of their own, if the sources have it."""
    wanted = scorer.manifest.threshold.per_group
    if wanted is None:
        return []
    return [name for name in common_schema(find_files(sources), exact=id_column).names if name in wanted]


def _read_ahead(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same batches; the next one is decoded in a thread while the last one is being scored."""
    with ThreadPoolExecutor(max_workers=1) as reader:
        coming = reader.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield batch


def _scored(scorer: Scorer, batch: pa.RecordBatch, start: int, id_column: str | None) -> pa.RecordBatch:
    try:
        scores = scorer.score(batch)
    except RowsError as error:
        raise RowsError(_counted_from(start, error.message), error.hint) from error
    if id_column is None:
        row_ids = pa.array(np.arange(start, start + batch.num_rows, dtype=np.int64))
    else:
        row_ids = batch.column(id_column)
    return pa.record_batch(
        {
            "row_id": row_ids,
            "anomaly_score": pa.array(scores.anomaly_score),
            "percentile": pa.array(scores.percentile),
            "is_anomaly": pa.array(scores.is_anomaly),
        }
    )


def _counted_from(start: int, message: str) -> str:
    """The message with its `row N`, counted within the batch, counted over all sources.

    >>> _counted_from(8192, "column 'a' must be finite, got inf in row 3")
    "column 'a' must be finite, got inf in row 8195"
    """
    return re.sub(r"\brow (\d+)\b", lambda match: f"row {int(match[1]) + start}", message)


def _row_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """The same rows in tables of at least ROW_GROUP_ROWS, the last one excepted; none without rows."""
    pending: list[pa.RecordBatch] = []
    for batch in batches:
        pending.append(batch)
        if sum(gathered.num_rows for gathered in pending) >= ROW_GROUP_ROWS:
            yield pa.Table.from_batches(pending)
            pending = []
    if any(batch.num_rows for batch in pending):
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
        descriptor = os.open(partial, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
