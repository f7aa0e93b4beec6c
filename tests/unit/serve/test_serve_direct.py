"""One replica of the direct door, as Serve runs it: it listens, reports, finds a metrics page, drains."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from urllib.request import urlopen

import grpc.aio
import pytest
from automl_ad_serve import direct
from automl_ad_serve.direct import DirectHost
from automl_ad_serve.replica import metrics_page
from grpc_health.v1 import health_pb2, health_pb2_grpc

from automl_ad.rpc.models import FixedModels
from automl_ad.rpc.options import HostOptions, ModelSource
from automl_ad.rpc.service_options import ServiceOptions
from automl_ad.rpc.telemetry.metrics import Metrics


class IdleScorer:
    """A model that nobody asks."""

    name, version = "idle", "v1"


class Replica(DirectHost):
    """Serve awaits `__del__` itself and takes it away; here Python would call it a second time."""

    def __del__(self) -> None:
        """The test has awaited it."""


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch):
    """(HostOptions) -> a replica and what ends it, for the running event loop."""
    monkeypatch.setattr(direct, "prepared", lambda _service: (FixedModels([IdleScorer()]), Metrics(), int))

    async def start(host: HostOptions) -> tuple[DirectHost, object]:
        replica = Replica.__new__(Replica)
        await replica.__init__(ServiceOptions(models=ModelSource(artifacts=(Path("a"),)), host=host))
        return replica, lambda: DirectHost.__del__(replica)

    return start


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def is_serving(port: int) -> bool:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        return answer.status == health_pb2.HealthCheckResponse.SERVING


def test_two_replicas_share_a_port_and_one_may_leave(replica, free_port):
    async def run() -> None:
        host = HostOptions(port=free_port, drain_s=1)
        (one, end_one), (_two, end_two) = await replica(host), await replica(host)
        await one.check_health()
        assert await one.record_autoscaling_stats() == {"calls": 0.0}
        await end_one()
        assert await is_serving(free_port)
        await end_two()
        with pytest.raises(grpc.aio.AioRpcError, match="Connection refused"):
            await is_serving(free_port)

    asyncio.run(run())


def test_a_metrics_page_takes_the_next_free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = taken.getsockname()[1]
        page = metrics_page(Metrics(), HostOptions(metrics_port=first))
        assert page.port > first
        assert b"automl_ad" in urlopen(f"http://127.0.0.1:{page.port}/metrics").read()
        page.close()


def test_no_page_unless_asked_for():
    assert metrics_page(Metrics(), HostOptions()) is None
