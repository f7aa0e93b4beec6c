"""The gRPC server on grpc.aio: our service, Open Inference, health and reflection over the models."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio  # type: ignore[attr-defined]
from grpc_reflection.v1alpha import reflection

from automl_ad.errors import ConfigError
from automl_ad.rpc.backend import Backend
from automl_ad.rpc.edge import Edge
from automl_ad.rpc.engine import Engine
from automl_ad.rpc.inference_servicer import InferenceServicer
from automl_ad.rpc.interceptor import EdgeInterceptor
from automl_ad.rpc.oip import open_inference_grpc_pb2, open_inference_grpc_pb2_grpc
from automl_ad.rpc.options import HostOptions
from automl_ad.rpc.scoring_servicer import ScoringServicer
from automl_ad.rpc.security.binding import check_binding, wants_reflection
from automl_ad.rpc.security.channel_limits import channel_options
from automl_ad.rpc.security.keys import Keys
from automl_ad.rpc.security.tls import server_credentials
from automl_ad.rpc.telemetry.metrics import Metrics, serve_page
from automl_ad.rpc.v1 import scoring_pb2, scoring_pb2_grpc

if TYPE_CHECKING:
    from automl_ad.rpc.models import Models
    from automl_ad.rpc.telemetry.metrics import Page

log = logging.getLogger(__name__)

SERVICES = (
    scoring_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name,
    open_inference_grpc_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].full_name,
)


class Host:
    """One running server. It belongs to the event loop that made it."""

    def __init__(self, models: Models, options: HostOptions, metrics: Metrics) -> None:
        """Raises ConfigError where the options would expose the models."""
        check_binding(options)
        self.options = options
        self.address = ""
        """host:port once started."""
        self.metrics_address = ""
        """host:port of the Prometheus page, if there is one."""
        self.engine = Engine(options.limits, metrics)
        self._models = models
        self.metrics = metrics
        self._health = health_aio.HealthServicer()
        self._page: Page | None = None
        keys = None if options.keys is None else Keys(options.keys)
        backend = Backend(models=models, engine=self.engine, limits=options.limits)
        self._server = _server(backend, Edge(metrics, keys), options, self._health)

    async def start(self) -> None:
        """Load the models and listen. Raises ConfigError, and what the models raise; nothing runs then."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Tell health checks, refuse new calls, let running ones finish for `drain_s`, then end the rest."""
        with suppress(TimeoutError):  # a watcher that does not read would hold it up
            await asyncio.wait_for(self._health.enter_graceful_shutdown(), 1.0)
        try:
            await self._server.stop(self.options.drain_s)
        finally:
            self.engine.close()
            await self._models.stop()
            if self._page is not None:
                self._page.close()

    async def _start(self) -> None:
        await self._models.start()
        self.address = _bind(self._server, self.options)
        if self.options.metrics_port is not None:
            self._page = serve_page(self.metrics, self.options.host, self.options.metrics_port)
            self.metrics_address = f"{self.options.host}:{self._page.port}"
        await self._server.start()
        for service in ("", *SERVICES):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)


def serve(
    models: Models, options: HostOptions, metrics: Metrics, on_listening: Callable[[Host], None]
) -> None:
    """Serve until SIGTERM or SIGINT, drain, and return. `on_listening` is told once calls are answered."""
    asyncio.run(_serve(models, options, metrics, on_listening))


async def _serve(
    models: Models, options: HostOptions, metrics: Metrics, on_listening: Callable[[Host], None]
) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    host = Host(models, options, metrics)
    await host.start()
    try:
        on_listening(host)
        await stopped.wait()
        log.info("draining for at most %g s", options.drain_s)
    finally:
        await host.stop()


def _server(
    backend: Backend, edge: Edge, options: HostOptions, health_servicer: health_aio.HealthServicer
) -> grpc.aio.Server:
    server = grpc.aio.server(
        interceptors=[EdgeInterceptor(edge, SERVICES)],
        # Whatever the gate has not seen yet: with the largest message, what requests can hold in memory.
        maximum_concurrent_rpcs=2 * options.limits.max_in_progress,
        options=[
            *channel_options(options.limits),
            ("grpc.so_reuseport", int(options.shares_port)),
        ],
    )
    scoring: Any = ScoringServicer(backend)
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(scoring, server)
    inference: Any = InferenceServicer(backend)
    open_inference_grpc_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(inference, server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if wants_reflection(options):
        reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server


def _bind(server: grpc.aio.Server, options: HostOptions) -> str:
    host = f"[{options.host}]" if ":" in options.host else options.host
    wanted = f"{host}:{options.port}"
    try:
        if options.tls is None:
            port = server.add_insecure_port(wanted)
        else:
            port = server.add_secure_port(wanted, server_credentials(options.tls))
    except RuntimeError:
        raise ConfigError(
            f"{wanted} cannot be bound: the port is in use, or the host is not an address of this machine",
            "--port 0 takes a free port; `ss -ltnp` shows who listens",
        ) from None
    return f"{host}:{port}"
