"""Files of any size scored by the service in constant memory, into the parquet file that `score` writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import grpc
import pyarrow as pa

from automl_ad.data import iter_batches
from automl_ad.data.common import common_schema
from automl_ad.data.scores_file import BatchReport, score_batches
from automl_ad.data.sources import find_files
from automl_ad.results import AnomalyScores
from automl_ad.rpc.client import ScoringClient
from automl_ad.rpc.client.connection import Connection
from automl_ad.rpc.client.kept_chunks import KeptChunks
from automl_ad.rpc.client.model_info import ModelDetails
from automl_ad.rpc.client.outgoing import CHUNK_ROWS
from automl_ad.rpc.client.packing import own_values
from automl_ad.rpc.errors import Overloaded, ServiceError

CHUNK_BYTES = 2**22
"""A quarter of the largest message: Arrow's bytes, before the few that the message adds."""
STREAM_S = 60.0
"""After which a stream is followed by another: servers end connections now and then, and streams with them
(`security.channel_limits`: 120 s after a connection's time is over)."""
RESENDS = 20
"""Streams that may break one after the other without an answer: a killed replica was back after 17 s."""
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 2.0


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

    A stream that breaks because its server stops is followed by another, which sends the chunks without an
    answer again: up to RESENDS in a row, and for the client's timeout_s.
    Raises what the client raises, DataError, and RowsError with the position of the row over all sources.
    """
    details = client.get_model(job.model, job.version)
    columns = _columns_to_send(details, job)

    def score(batches: Iterator[pa.RecordBatch]) -> Iterator[AnomalyScores]:
        chunks = (own_values(batch.select(columns)) for batch in batches)
        return _in_streams(client, chunks, details)

    batch_rows = min(job.chunk_rows, details.model.max_rows)
    batches = iter_batches(job.sources, columns, id_column=job.id_column, batch_rows=batch_rows)
    report = score_batches(
        _light(batches, columns),
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


def _light(batches: Iterator[pa.RecordBatch], columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The same rows; a batch that would send more than CHUNK_BYTES comes in halves of halves."""
    for batch in batches:
        half = batch.num_rows // 2
        if half and own_values(batch.select(columns)).nbytes > CHUNK_BYTES:
            yield from _light(iter([batch[:half], batch[half:]]), columns)
        else:
            yield batch


def _in_streams(
    client: ScoringClient, chunks: Iterator[pa.RecordBatch], details: ModelDetails
) -> Iterator[AnomalyScores]:
    """The answers to all chunks, by streams of at most STREAM_S one after the other, of one version."""
    kept = KeptChunks(chunks)
    resends = _Resends(client.connection)
    while kept.has_more():
        stream = client.score_stream(
            kept.for_stream(time.monotonic() + STREAM_S),
            model=details.model.name,
            version=details.model.version,
        )
        try:
            for scores in stream:
                kept.answered()
                resends.answered()
                yield scores
        except ServiceError as error:
            resends.pause_after(error)


class _Resends:
    """How often and how long a job goes on without an answer: RESENDS times, for the client's timeout_s."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._n_done = 0
        self._give_up_at = 0.0

    def answered(self) -> None:
        """All is well again."""
        self._n_done = 0

    def pause_after(self, error: ServiceError) -> None:
        """Wait a little. Raises the error where trying again is of no use, or was of none."""
        if self._n_done == 0:
            self._give_up_at = time.monotonic() + self._connection.timeout_s
        pause_s = _pause_s(error, self._n_done)
        is_over = self._n_done == RESENDS or not self._connection.retries
        if pause_s is None or is_over or time.monotonic() + pause_s > self._give_up_at:
            raise error
        self._n_done += 1
        time.sleep(pause_s)


def _pause_s(error: ServiceError, n_done: int) -> float | None:
    """Until the next try; None: not again."""
    if isinstance(error, Overloaded):
        return error.retry_after_s
    is_passing = error.code == grpc.StatusCode.UNAVAILABLE.name
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**n_done) if is_passing else None
