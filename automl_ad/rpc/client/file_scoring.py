"""Files of any size scored by the service in constant memory, into the parquet file that `score` writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pyarrow as pa

from automl_ad.data import iter_batches
from automl_ad.data.common import common_schema
from automl_ad.data.scores_file import BatchReport, score_batches
from automl_ad.data.sources import find_files
from automl_ad.results import AnomalyScores
from automl_ad.rpc.client import ScoringClient
from automl_ad.rpc.client.model_info import ModelDetails
from automl_ad.rpc.client.outgoing import CHUNK_ROWS

CHUNK_BYTES = 2**22
"""A quarter of the largest message: Arrow's bytes, before the few that the message adds."""
STREAM_S = 60.0
"""After which a stream is followed by another: servers end connections now and then, and streams with them
(`channel_limits`: 120 s after a connection's time is over)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileJob:
    """What is to be scored, by which model, and where the scores go."""

    sources: Sequence[str]
    output: Path
    model: str = ""
    version: str = ""
    id_column: str | None = None
    chunk_rows: int = CHUNK_ROWS


def score_files(
    client: ScoringClient, job: FileJob, *, on_progress: Callable[[int], None] | None = None
) -> tuple[BatchReport, ModelDetails]:
    """Write the scores of every row, all by one version of the model; what was scored, and by which model.

    Raises what the client raises, DataError, and RowsError with the position of the row over all sources.
    """
    details = client.get_model(job.model, job.version)
    columns = _columns_to_send(details, job)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[AnomalyScores]:
        chunks = (batch.select(columns) for batch in batches)
        return _in_streams(client, chunks, details)

    batch_rows = min(job.chunk_rows, details.model.max_rows)
    batches = iter_batches(job.sources, columns, id_column=job.id_column, batch_rows=batch_rows)
    report = score_batches(
        _light(batches),
        score,
        job.output,
        sources=job.sources,
        id_column=job.id_column,
        on_progress=on_progress,
    )
    return report, details


def _columns_to_send(details: ModelDetails, job: FileJob) -> list[str]:
    """The features, and the column of the groups where groups have thresholds and the sources have it."""
    names = [feature.name for feature in details.model.features]
    group = details.group_column
    if group and group not in names:
        names += [group] if group in common_schema(find_files(job.sources), exact=job.id_column).names else []
    return names


def _light(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows; a batch of more than CHUNK_BYTES comes in halves of halves."""
    for batch in batches:
        half = batch.num_rows // 2
        if half and batch.nbytes > CHUNK_BYTES:
            yield from _light(iter([batch[:half], batch[half:]]))
        else:
            yield batch


def _in_streams(
    client: ScoringClient, chunks: Iterator[pa.RecordBatch], details: ModelDetails
) -> Iterator[AnomalyScores]:
    """The answers to all chunks, by streams of at most STREAM_S one after the other, of one version."""
    for first in chunks:
        until = time.monotonic() + STREAM_S
        yield from client.score_stream(
            chain([first], _until(until, chunks)), model=details.model.name, version=details.model.version
        )


def _until(moment: float, chunks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The chunks that are asked for before the moment; the others stay where they are."""
    while time.monotonic() < moment and (chunk := next(chunks, None)) is not None:
        yield chunk
