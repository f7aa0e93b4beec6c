"""From a request to its answer: what is small is batched on the event loop, what is large goes to threads."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary

from google.protobuf.message import Message

from automl_ad.results import AnomalyScores
from automl_ad.rpc.batching import Batcher
from automl_ad.rpc.call import Call
from automl_ad.rpc.gate import Gate
from automl_ad.rpc.options import Limits
from automl_ad.rpc.telemetry import tracing
from automl_ad.rpc.wire.rows import Rows

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.rpc.telemetry.metrics import Metrics

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Result = TypeVar("Result")

MAX_BATCHED_BYTES = 16_384
"""64 rows of 32 doubles: decoded in 0.1 ms. Larger requests gain nothing from being joined."""

MAX_EXPLAINED_SHARE = 8
"""One call in so many may be an explanation: each scores hundreds of rows, one after the other."""


class Engine:
    """Decodes, scores and encodes. It belongs to one event loop, and owns the threads."""

    def __init__(self, limits: Limits, metrics: Metrics, n_threads: int | None = None) -> None:
        """One thread a core unless told otherwise."""
        self.gate = Gate(limits.max_in_progress)
        self._explanations = Gate(max(1, limits.max_in_progress // MAX_EXPLAINED_SHARE))
        self._limits = limits
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(n_threads or os.cpu_count(), thread_name_prefix="scoring")
        self._batchers: WeakKeyDictionary[Scorer, Batcher] = WeakKeyDictionary()
        self._explaining = ThreadPoolExecutor(1, thread_name_prefix="explaining")

    async def score(
        self,
        scorer: Scorer,
        request: Request,
        call: Call,
        *,
        decode: Callable[[Request, Scorer, Limits], Rows],
        encode: Callable[[AnomalyScores], Response],
    ) -> Response:
        """The encoded scores of the request's rows. Raises RowsError; the gate is the caller's business."""
        with tracing.child_span("score"):
            rows = decode(request, scorer, self._limits) if request.ByteSize() <= MAX_BATCHED_BYTES else None
            if rows is not None and len(rows) <= self._limits.max_batch_rows:
                is_alone = self.gate.in_progress <= 1
                scores = await self._batcher(scorer).score(scorer, rows, is_alone=is_alone)
                response = encode(scores)
            else:
                scores, response = await self.in_thread(
                    lambda: _whole(
                        scorer.score(decode(request, scorer, self._limits) if rows is None else rows), encode
                    )
                )
        call.n_rows += len(scores.anomaly_score)
        self._metrics.scored(scores)
        return response

    async def in_thread(self, work: Callable[[], Result]) -> Result:
        """The result of the work. A caller that is cancelled leaves the queue; what began runs on."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def alone(self, work: Callable[[], Result]) -> Result:
        """Like `in_thread`, one at a time on a thread of its own: for work that would hold up scoring.

        Raises Overloaded where much of it waits already.
        """
        with self._explanations.entered():
            return await asyncio.get_running_loop().run_in_executor(self._explaining, work)

    def close(self) -> None:
        """Drop what is queued; what runs, nothing can interrupt, and nobody waits for here."""
        for threads in (self._threads, self._explaining):
            threads.shutdown(wait=False, cancel_futures=True)

    def _batcher(self, scorer: Scorer) -> Batcher:
        batcher = self._batchers.get(scorer)
        if batcher is None:
            batcher = Batcher(self._threads, self._limits.max_batch_rows, self._metrics)
            self._batchers[scorer] = batcher
        return batcher


def _whole(
    scores: AnomalyScores, encode: Callable[[AnomalyScores], Response]
) -> tuple[AnomalyScores, Response]:
    return scores, encode(scores)
