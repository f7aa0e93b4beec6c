"""A real server on a free port over two made-up models: `numeric` (a matrix) and `mixed` (all kinds)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import grpc
import pytest
from rpc_fakes import FakeScorer, mixed_scorer, numeric_scorer

from automl_ad.rpc.host import Host
from automl_ad.rpc.models import FixedModels, Models
from automl_ad.rpc.options import HostOptions, Limits
from automl_ad.rpc.telemetry.metrics import Metrics


@contextmanager
def running(models: list[FakeScorer] | Models, options: HostOptions) -> Iterator[Host]:
    """A host on an event loop of its own thread, stopped and drained at the end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait(coroutine) -> object:
        future: Future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        return future.result(30)

    async def make() -> Host:
        host = Host(FixedModels(models) if isinstance(models, list) else models, options, Metrics())
        await host.start()
        return host

    try:
        host = wait(make())
        host.wait = wait
        yield host
        wait(host.stop())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@pytest.fixture(scope="session")
def scorers() -> dict[str, FakeScorer]:
    return {"numeric": numeric_scorer(), "mixed": mixed_scorer()}


@pytest.fixture(scope="session")
def address(scorers: dict[str, FakeScorer]) -> Iterator[str]:
    limits = Limits(max_message_bytes=20_000, max_rows=50)
    with running(list(scorers.values()), HostOptions(port=0, limits=limits, drain_s=1)) as host:
        yield host.address


@pytest.fixture(scope="session")
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address) as channel:
        yield channel


@pytest.fixture(scope="session")
def serve_in_thread():
    return running
