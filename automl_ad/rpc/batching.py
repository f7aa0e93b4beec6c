"""Small requests that arrive together are scored together; nobody waits for others to arrive.

What piles up while the event loop, or a thread, is busy becomes one batch. A row's score does not depend on
its batch (tests/contracts/test_batch_invariance.py), and a request that is refused does not take others down.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from automl_ad.errors import RowsError
from automl_ad.results import AnomalyScores
from automl_ad.rpc.wire.rows import Rows

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.rpc.telemetry.metrics import Metrics

MAX_INLINE_ROWS = 16
MAX_INLINE_S = 0.004
"""Batches of few rows of a fast model are scored on the event loop: handing one row to a thread cost 0.3 ms
and half of the requests per second at 16 clients (tests/benchmarks/bench_hosts.py: 1.43 ms, not 1.13)."""

Outcome = AnomalyScores | Exception


@dataclass(slots=True)
class _Waiting:
    scorer: Scorer
    rows: Rows
    answer: asyncio.Future[AnomalyScores]


class Batcher:
    """The small requests of one scorer, which it does not keep alive. It belongs to one event loop."""

    def __init__(self, threads: Executor, max_rows: int, metrics: Metrics) -> None:
        self._threads = threads
        self._max_rows = max_rows
        self._metrics = metrics
        self._waiting: list[_Waiting] = []
        self._is_busy = False
        self._inline_s = 0.0

    async def score(self, scorer: Scorer, rows: Rows, *, is_alone: bool = False) -> AnomalyScores:
        """Scores of the rows by the one scorer. Raises RowsError. A cancelled caller leaves the queue.

        One that `is_alone` in the service is scored at once: two turns of the event loop cost it 0.5 ms.
        """
        if is_alone and not self._is_busy and self._is_quick(len(rows)):
            return self._at_once(scorer, rows)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(scorer, rows, loop.create_future())
        self._waiting.append(waiting)
        self._metrics.queue(1, len(rows))
        if not self._is_busy:
            self._is_busy = True
            loop.call_soon(self._next)
        return await waiting.answer

    def _is_quick(self, n_rows: int) -> bool:
        return n_rows <= MAX_INLINE_ROWS and self._inline_s <= MAX_INLINE_S

    def _took(self, seconds: float) -> None:
        self._inline_s += 0.2 * (seconds - self._inline_s)

    def _at_once(self, scorer: Scorer, rows: Rows) -> AnomalyScores:
        started = time.perf_counter()
        scores = scorer.score(rows)
        seconds = time.perf_counter() - started
        self._took(seconds)
        self._metrics.batch(1, len(rows), seconds)
        return scores

    def _next(self) -> None:
        batch = self._take()
        if not batch:
            self._is_busy = False
            return
        loop = asyncio.get_running_loop()
        n_rows = _n_rows(batch)
        if self._is_quick(n_rows):
            started = time.perf_counter()
            self._finish(batch, self._scored(batch))
            self._took(time.perf_counter() - started)
            loop.call_soon(self._next)
        else:
            self._hand_over(batch)

    def _take(self) -> list[_Waiting]:
        """The next batch: alike in kind, at most `max_rows` together (one request may exceed it alone)."""
        queue = [waiting for waiting in self._waiting if not waiting.answer.done()]
        batch: list[_Waiting] = []
        rest: list[_Waiting] = []
        room = self._max_rows
        for waiting in queue:
            if not batch or (len(waiting.rows) <= room and _are_alike(batch[0].rows, waiting.rows)):
                batch.append(waiting)
                room -= len(waiting.rows)
            else:
                rest.append(waiting)
        left = len(self._waiting) - len(rest)
        self._metrics.queue(-left, _n_rows(rest) - _n_rows(self._waiting))
        self._waiting = rest
        return batch

    def _scored(self, batch: list[_Waiting]) -> list[Outcome]:
        """What each request gets; one that is refused is refused alone."""
        started = time.perf_counter()
        scorer, requests = batch[0].scorer, [waiting.rows for waiting in batch]
        try:
            outcomes: list[Outcome] = list(_split(scorer.score(_joined(requests)), requests))
        except RowsError as error:
            alone = [_alone(scorer, rows) for rows in requests] if len(requests) > 1 else [error]
            outcomes = list(alone)
        except Exception as error:  # noqa: BLE001  reaches the RPC edge of every caller
            outcomes = [error] * len(requests)  # a bug: nobody's own fault, and the same for all
        self._metrics.batch(len(requests), sum(map(len, requests)), time.perf_counter() - started)
        return outcomes

    def _hand_over(self, batch: list[_Waiting]) -> None:
        """Score the batch on a thread, and whatever becomes of it, go on with the next."""
        self._inline_s *= 0.9  # a model that was slow once is tried on the loop again
        try:
            running = asyncio.get_running_loop().run_in_executor(self._threads, self._scored, batch)
        except RuntimeError as error:  # the threads are gone: the service stops
            self._finish(batch, [error] * len(batch))
            self._next()
        else:
            running.add_done_callback(lambda done: self._finish_and_go_on(batch, done))

    def _finish_and_go_on(self, batch: list[_Waiting], done: asyncio.Future[list[Outcome]]) -> None:
        if done.cancelled():  # likewise
            for waiting in batch:
                waiting.answer.cancel()
        else:
            self._finish(batch, done.result())
        self._next()

    def _finish(self, batch: list[_Waiting], outcomes: list[Outcome]) -> None:
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.answer.done():
                continue
            if isinstance(outcome, Exception):
                waiting.answer.set_exception(outcome)
            else:
                waiting.answer.set_result(outcome)


def _n_rows(queue: list[_Waiting]) -> int:
    return sum(len(waiting.rows) for waiting in queue)


def _alone(scorer: Scorer, rows: Rows) -> Outcome:
    try:
        return scorer.score(rows)
    except Exception as error:  # noqa: BLE001  reaches the RPC edge of this caller
        return error


def _are_alike(first: Rows, second: Rows) -> bool:
    """Whether rows may be joined without a value changing its type."""
    if isinstance(first, np.ndarray) or isinstance(second, np.ndarray):
        return type(first) is type(second) and first.dtype == second.dtype
    return bool(first.schema.equals(second.schema))


def _joined(requests: list[Rows]) -> Rows:
    if len(requests) == 1:
        return requests[0]
    if isinstance(requests[0], np.ndarray):
        return np.concatenate(requests)
    return pa.concat_tables(requests)


def _split(scores: AnomalyScores, requests: list[Rows]) -> list[AnomalyScores]:
    """The scores of each request."""
    if len(requests) == 1:
        return [scores]
    ends = np.cumsum([len(rows) for rows in requests]).tolist()
    return [_part(scores, slice(start, end)) for start, end in zip([0, *ends], ends, strict=False)]


def _part(scores: AnomalyScores, rows: slice) -> AnomalyScores:
    own: Any = scores.row_threshold
    return replace(
        scores,
        anomaly_score=scores.anomaly_score[rows],
        percentile=scores.percentile[rows],
        is_anomaly=scores.is_anomaly[rows],
        row_threshold=None if own is None else own[rows],
    )
