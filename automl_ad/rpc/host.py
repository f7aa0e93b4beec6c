"""The gRPC server on grpc.aio: our service, Open Inference, health and reflection over loaded scorers."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]
from grpc_reflection.v1alpha import reflection

from automl_ad.errors import ConfigError
from automl_ad.rpc.failures import FailureInterceptor
from automl_ad.rpc.inference_servicer import InferenceServicer
from automl_ad.rpc.models import Limits, Models
from automl_ad.rpc.oip import open_inference_grpc_pb2, open_inference_grpc_pb2_grpc
from automl_ad.rpc.scoring_servicer import ScoringServicer
from automl_ad.rpc.v1 import scoring_pb2, scoring_pb2_grpc
from automl_ad.rpc.workers import Workers

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer

log = logging.getLogger(__name__)

SERVICES = (
    scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name,
    open_inference_grpc_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class HostOptions:
    """Where and how to listen."""

    host: str = "127.0.0.1"
    port: int = 9000
    """0 takes a free one."""
    limits: Limits = field(default_factory=Limits)
    has_reflection: bool = True
    shares_port: bool = False
    """SO_REUSEPORT: several processes listen on one port and the kernel spreads the connections."""
    drain_s: float = 10.0
    """How long a stopping server lets running calls finish."""

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"--port must be in [0, 65535], got {self.port}")


class Host:
    """One running server. It belongs to the event loop that started it."""

    def __init__(self, scorers: Iterable[Scorer], options: HostOptions) -> None:
        self.options = options
        self.address = ""
        """host:port once started."""
        self._workers = Workers()
        self._health = health_aio.HealthServicer()
        self._server = _server(Models(scorers), options, self._workers, self._health)

    async def start(self) -> None:
        """Listen. Raises ConfigError when the address cannot be bound."""
        self.address = _bind(self._server, self.options)
        await self._server.start()
        for service in SERVICES:
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self) -> None:
        """Tell health checks, refuse new calls, let running ones finish for `drain_s`, then end the rest."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(self.options.drain_s)
        self._workers.close()


def serve(scorers: Iterable[Scorer], options: HostOptions, on_listening: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, drain, and return. `on_listening` is told the bound address."""
    asyncio.run(_serve(scorers, options, on_listening))


async def _serve(
    scorers: Iterable[Scorer], options: HostOptions, on_listening: Callable[[str], None]
) -> None:
    host = Host(scorers, options)
    await host.start()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    on_listening(host.address)
    await stopped.wait()
    log.info("draining for at most %g s", options.drain_s)
    await host.stop()


def _server(
    models: Models, options: HostOptions, workers: Workers, health_servicer: health_aio.HealthServicer
) -> grpc.aio.Server:
    n_bytes = options.limits.max_message_bytes
    server = grpc.aio.server(
        interceptors=[FailureInterceptor()],
        options=[
            ("grpc.max_receive_message_length", n_bytes),
            ("grpc.max_send_message_length", n_bytes),
            ("grpc.so_reuseport", int(options.shares_port)),
        ],
    )
    scoring = ScoringServicer(models, options.limits, workers)
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(scoring, server)
    inference = InferenceServicer(models, options.limits, workers)
    open_inference_grpc_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(inference, server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if options.has_reflection:
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server


def _bind(server: grpc.aio.Server, options: HostOptions) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    wanted = f"{host}:{options.port}"
    try:
        port = server.add_insecure_port(wanted)
    except RuntimeError:
        raise ConfigError(
            f"{wanted} cannot be bound: the port is in use, or the host is not an address of this machine",
            "--port 0 takes a free port; `ss -ltnp` shows who listens",
        ) from None
    return f"{host}:{port}"
