"""Chunks kept until they are answered: another stream can send what one that broke had taken."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pyarrow as pa


class KeptChunks:
    """Chunks from a source that is read once, for streams one after the other.

    The thread of a stream that broke may still take a chunk while the next stream begins: every chunk is
    known by its place among all, so that none is lost or sent out of order.
    """

    def __init__(self, source: Iterator[pa.RecordBatch]) -> None:
        self._source = source
        self._reading = threading.Lock()
        self._kept: dict[int, pa.RecordBatch] = {}
        self._error: Exception | None = None
        self._n_read = 0
        self.n_answered = 0

    def has_more(self) -> bool:
        """Whether a chunk is without an answer. Raises what the source raises."""
        return self._at(self.n_answered) is not None

    def for_stream(self, until: float) -> Iterator[pa.RecordBatch]:
        """From the first chunk without an answer on; none is begun after the moment `until`, but one is."""
        place = self.n_answered
        while (chunk := self._at(place)) is not None:
            yield chunk
            place += 1
            if time.monotonic() >= until:
                break

    def answered(self) -> None:
        """Forget the first chunk that is without an answer."""
        del self._kept[self.n_answered]
        self.n_answered += 1

    def _at(self, place: int) -> pa.RecordBatch | None:
        """The chunk of that place; None after the last, and for one that is forgotten."""
        with self._reading:
            if place == self._n_read and (chunk := self._next()) is not None:
                self._kept[place] = chunk
                self._n_read += 1
            return self._kept.get(place)

    def _next(self) -> pa.RecordBatch | None:
        """The source's next chunk. What it raised once is raised again: a generator would seem to be over."""
        if self._error is not None:
            raise self._error
        try:
            return next(self._source, None)
        except Exception as error:
            self._error = error
            raise
