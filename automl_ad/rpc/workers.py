"""Where scoring runs: small requests on the event loop, others on threads, so that the loop never waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from google.protobuf.message import Message

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")

_INLINE_BYTES = 2_048
"""8 rows of 32 doubles, scored in a millisecond. Handing one row to a thread cost 0.3 ms and half of the
requests per second at 16 clients (tests/benchmarks/bench_hosts.py: 1.43 ms instead of 1.13)."""


class Workers:
    """Threads for scoring. Torch and numpy release the GIL in what takes long."""

    def __init__(self, n_threads: int | None = None) -> None:
        """One thread a core unless told otherwise."""
        self._threads = ThreadPoolExecutor(n_threads or os.cpu_count(), thread_name_prefix="scoring")

    async def run(self, answer: Callable[[Request], Response], request: Request) -> Response:
        """`answer(request)`. When its deadline passes a call leaves the queue; one that began runs on."""
        if request.ByteSize() <= _INLINE_BYTES:
            return answer(request)
        return await asyncio.get_running_loop().run_in_executor(self._threads, answer, request)

    def close(self) -> None:
        """Drop what is queued and wait for what runs."""
        self._threads.shutdown(cancel_futures=True)
