"""The two ends of a stream of chunks: requests when there is room for them, answers in their order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any

from automl_ad.errors import AutomlADError
from automl_ad.results import AnomalyScores
from automl_ad.rpc.client.answers import scores_of
from automl_ad.rpc.errors import ServerError
from automl_ad.rpc.v1 import scoring_pb2 as pb

STOP_S = 5.0

ToRequest = Callable[[Any], pb.ScoreRequest]


class SentChunks:
    """Counts what was sent, and knows since when it waits for an answer.

    An error of the caller's chunks ends the requests and is kept for who reads.
    """

    def __init__(self, to_request: ToRequest) -> None:
        self._to_request = to_request
        self._making = threading.Lock()
        self._is_over = False
        self._handed_at: deque[float] = deque()
        self.n_sent = 0
        self.error: Exception | None = None

    def requests(self, chunks: Iterable[Any]) -> Iterator[pb.ScoreStreamRequest]:
        """One request a chunk, made in gRPC's thread when there is room for it."""
        remaining = iter(chunks)
        while (request := self._take(remaining)) is not None:
            yield request

    def stop(self) -> None:
        """Take no more chunks, and wait for the one that is being made, at most STOP_S.

        gRPC's thread is a daemon: a program that ended while it runs Arrow's code would be aborted by C++.
        """
        self._is_over = True
        if self._making.acquire(timeout=STOP_S):
            self._making.release()

    def waiting_since(self) -> float | None:
        """When the oldest chunk without an answer, or the end after the last one, was handed to gRPC."""
        return next(iter(tuple(self._handed_at)), None)

    def note_answer(self) -> None:
        """The oldest chunk without an answer has one."""
        self._handed_at.popleft()

    async def requests_async(
        self, chunks: Iterable[Any] | AsyncIterable[Any]
    ) -> AsyncIterator[pb.ScoreStreamRequest]:
        """The same for grpc.aio, of chunks that may be awaited."""
        try:
            async for chunk in _awaited(chunks):
                yield self.next_request(chunk)
        except Exception as error:  # noqa: BLE001  as below
            self.error = error

    def _take(self, remaining: Iterator[Any]) -> pb.ScoreStreamRequest | None:
        with self._making:
            try:
                for chunk in remaining if not self._is_over else ():
                    return self.next_request(chunk)
            except Exception as error:  # noqa: BLE001  gRPC would log it and forget it; the reader raises it again
                self.error = error
        self._handed_at.append(time.monotonic())
        return None

    def next_request(self, chunk: Any) -> pb.ScoreStreamRequest:
        """The request of the next chunk. Raises RowsError with the position of the chunk."""
        try:
            request = pb.ScoreStreamRequest(chunk=self._to_request(chunk))
        except AutomlADError as error:
            raise type(error)(f"chunk {self.n_sent}: {error.message}", error.hint) from error
        self.n_sent += 1
        self._handed_at.append(time.monotonic())
        return request


async def _awaited(chunks: Iterable[Any] | AsyncIterable[Any]) -> AsyncIterator[Any]:
    if isinstance(chunks, AsyncIterable):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk


class Answers:
    """Turns responses into scores, and insists on one for every chunk, in order."""

    def __init__(self, sent: SentChunks) -> None:
        self._sent = sent
        self._n_read = 0

    def scores(self, response: pb.ScoreStreamResponse) -> AnomalyScores:
        """The scores of the next chunk. Raises ServerError when they belong to another one."""
        if response.index != self._n_read:
            raise ServerError(f"answers must come in order, got {response.index} in place of {self._n_read}")
        if response.index >= self._sent.n_sent:
            raise ServerError(f"a chunk must be sent before its answer, got answer {response.index}")
        self._n_read += 1
        self._sent.note_answer()
        return scores_of(response.scores)

    def finish(self) -> None:
        """Raise the error of the caller's own chunks, or ServerError where answers are missing."""
        if self._sent.error is not None:
            raise self._sent.error
        if self._n_read < self._sent.n_sent:
            raise ServerError(f"every chunk must be answered, got {self._n_read} of {self._sent.n_sent}")
