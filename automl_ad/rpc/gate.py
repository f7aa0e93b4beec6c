"""How much work a service takes on at a time: the rest is refused at once, with a hint when to come back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from automl_ad.rpc.errors import Overloaded

_SHORTEST_WAIT_S, _LONGEST_WAIT_S = 0.05, 5.0


class Gate:
    """Counts what is in progress. It belongs to one event loop."""

    def __init__(self, max_in_progress: int) -> None:
        self._max = max_in_progress
        self._in_progress = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._seconds_each = 0.0

    @property
    def in_progress(self) -> int:
        """Pieces of work that were let in and are not done."""
        return self._in_progress

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Work is in progress while the block runs. Raises Overloaded when there is too much of it."""
        if self._in_progress >= self._max:
            raise Overloaded(
                f"the server works on {self._in_progress} requests already",
                f"come back in {self.wait_s:.2g} s",
                retry_after_s=self.wait_s,
            )
        with self._counted():
            yield

    @asynccontextmanager
    async def waited(self) -> AsyncIterator[None]:
        """Like `entered`, but waits for room: for streams, whose flow control stops the client meanwhile."""
        is_next = False
        while self._in_progress >= self._max:
            turn = asyncio.get_running_loop().create_future()
            (self._waiting.appendleft if is_next else self._waiting.append)(turn)
            is_next = True  # whoever was woken and found the room taken keeps the place at the head
            try:
                await turn
            except asyncio.CancelledError:
                if not turn.cancelled():
                    self._wake_one()  # it left with the turn in hand
                raise
        with self._counted():
            yield

    @property
    def wait_s(self) -> float:
        """About how long the work in progress will take."""
        wait_s = self._in_progress * self._seconds_each
        return min(max(wait_s, _SHORTEST_WAIT_S), _LONGEST_WAIT_S)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        self._in_progress += 1
        started, n_before = loop.time(), self._in_progress
        try:
            yield
        finally:
            seconds = (loop.time() - started) / n_before  # the others shared the time
            self._seconds_each += 0.05 * (seconds - self._seconds_each)
            self._in_progress -= 1
            self._wake_one()

    def _wake_one(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
