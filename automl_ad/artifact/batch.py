"""Scoring files of any size in constant memory with an artifact: batches in, a parquet file of scores out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from automl_ad.artifact.scorer import Scorer
from automl_ad.data import iter_batches
from automl_ad.data.common import common_schema
from automl_ad.data.scores_file import BatchReport, score_batches
from automl_ad.data.sources import find_files
from automl_ad.results import AnomalyScores

BATCH_VALUES = 2**20
"""Encoded values of a batch: 8 MB, several of which are alive at a time, however wide the rows."""
MAX_BATCH_ROWS = 2**15
"""For 30 columns 1.2 times faster than 8,192 rows, and than 65,536 (tests/benchmarks/bench_score.py)."""


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

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[AnomalyScores]:
        return map(scorer.score, _read_ahead(batches))

    columns = [*scorer.schema.feature_names, *_known_groups(scorer, sources, id_column)]
    batch_rows = min(MAX_BATCH_ROWS, max(1, BATCH_VALUES // scorer.n_encoded))
    batches = iter_batches(sources, columns, id_column=id_column, batch_rows=batch_rows)
    return score_batches(
        batches, score, output, sources=sources, id_column=id_column, on_progress=on_progress
    )


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
