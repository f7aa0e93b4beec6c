"""The ingress door: Serve's own gRPC proxy routes every request to a replica.

For its routing, retries and autoscaling, at several times the latency of the direct door. The proxy binds all
interfaces, has no TLS and finds methods by their bare name; what a replica raises would reach the client with
its traceback, so every method of every registered service is here and runs through the `Edge`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2
from ray.serve.grpc_util import RayServegRPCContext
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from automl_ad.rpc.backend import Backend
from automl_ad.rpc.edge import Edge
from automl_ad.rpc.engine import Engine
from automl_ad.rpc.failures import CallFailed
from automl_ad.rpc.host import SERVICES
from automl_ad.rpc.inference_servicer import InferenceServicer
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.scoring_servicer import ScoringServicer
from automl_ad.rpc.security.keys import Keys
from automl_ad.rpc.service_options import ServiceOptions
from automl_ad.rpc.v1 import scoring_pb2 as v1
from automl_ad_serve.replica import metrics_page, prepared

SERVICER_FUNCTIONS = [
    "automl_ad.rpc.v1.scoring_pb2_grpc.add_ScoringServiceServicer_to_server",
    "automl_ad.rpc.oip.open_inference_grpc_pb2_grpc.add_GRPCInferenceServiceServicer_to_server",
    "grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server",
]
WATCH_S = 60.0
"""A watch that never ended would hold up a replica that is to leave."""
_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


class Ingress:
    """One replica. `_add_methods` gives it those of our services, none of which share a name."""

    async def __init__(self, service: ServiceOptions) -> None:  # type: ignore[misc]
        """Serve awaits it, and sends requests only afterwards."""
        self._models, metrics, self._send_last_spans = prepared(service)
        await self._models.start()
        host = service.host
        self._engine = Engine(host.limits, metrics)
        self._edge = Edge(metrics, None if host.keys is None else Keys(host.keys))
        backend = Backend(models=self._models, engine=self._engine, limits=host.limits)
        self._scoring = ScoringServicer(backend)
        self._inference = InferenceServicer(backend)
        self._page = metrics_page(metrics, host)

    async def check_health(self) -> None:
        """Serve awaits it on the event loop that answers calls: an answer in time means that they are."""

    async def __del__(self) -> None:
        """Serve awaits it when the last running call has ended."""
        await self._models.stop()
        self._engine.close()
        if self._page is not None:
            self._page.close()
        self._send_last_spans()

    async def Check(
        self, request: health_pb2.HealthCheckRequest, grpc_context: RayServegRPCContext
    ) -> health_pb2.HealthCheckResponse:
        """Health: a replica that answers is serving."""
        if request.service not in ("", *SERVICES):
            grpc_context.set_code(grpc.StatusCode.NOT_FOUND)
            return health_pb2.HealthCheckResponse()
        return _SERVING

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, grpc_context: RayServegRPCContext
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Health: one answer, then silence, for a replica never stops serving alive; then ask again."""
        yield await self.Check(request, grpc_context)
        if grpc_context.code() is None:
            await asyncio.sleep(WATCH_S)

    async def List(
        self, request: health_pb2.HealthListRequest, grpc_context: RayServegRPCContext
    ) -> health_pb2.HealthListResponse:
        """Health: the services that Check knows."""
        del request, grpc_context
        return health_pb2.HealthListResponse(statuses=dict.fromkeys(("", *SERVICES), _SERVING))

    async def __call__(self, request: Request) -> PlainTextResponse:
        """HTTP, which Serve opens beside gRPC and needs a route for: nothing here."""
        del request
        return PlainTextResponse("automl-ad speaks gRPC only\n", status_code=404)


class StreamEnded(RuntimeError):
    """Ends a stream with the status of its context.

    Serve sends trailing metadata only along with an answer, so that the google.rpc details do not pass. It
    pickles the exception; one that it could not unpickle would reach the client with its traceback.
    """


class _Context:
    """Serve's context as the `Edge` uses it: Serve takes trailing metadata as a list only."""

    def __init__(self, context: RayServegRPCContext) -> None:
        self.peer = context.peer
        self.invocation_metadata = context.invocation_metadata
        self._context = context

    def set_trailing_metadata(self, trailing_metadata: Iterable[Any]) -> None:
        """What the proxy sends after the answer."""
        self._context.set_trailing_metadata(list(trailing_metadata))


def _add_methods(services: dict[str, Any]) -> None:
    """Give `Ingress` the methods of the services, answered by the servicer of the attribute's name."""
    for attribute, service in services.items():
        for method in service.methods:
            path = f"/{service.full_name}/{method.name}"
            if method.client_streaming:
                answer = _stream(path, attribute, method.name)
            else:
                answer = _unary(path, attribute, method.name, GetMessageClass(method.output_type))
            answer.__name__ = method.name
            setattr(Ingress, method.name, answer)


def _unary(path: str, attribute: str, name: str, response: type[Any]) -> Callable[..., Any]:
    async def answer(self: Ingress, request: Any, grpc_context: RayServegRPCContext) -> Any:
        handler = getattr(getattr(self, attribute), name)
        try:
            return await self._edge.answer(path, handler, request, _Context(grpc_context))
        except CallFailed as failed:
            _set_status(grpc_context, failed)
            return response()

    return answer


def _stream(path: str, attribute: str, name: str) -> Callable[..., Any]:
    async def answers(self: Ingress, request: Any, grpc_context: RayServegRPCContext) -> AsyncIterator[Any]:
        handler = getattr(getattr(self, attribute), name)
        try:
            async for response in self._edge.answers(path, handler, request, _Context(grpc_context)):
                yield response
        except CallFailed as failed:
            _set_status(grpc_context, failed)
            raise StreamEnded(failed.failure.details) from None

    return answers


def _set_status(context: RayServegRPCContext, failed: CallFailed) -> None:
    failure = failed.failure
    context.set_code(failure.code)
    context.set_details(failure.details)
    _Context(context).set_trailing_metadata(failure.trailing)


_add_methods(
    {
        "_scoring": v1.DESCRIPTOR.services_by_name["ScoringService"],
        "_inference": oip.DESCRIPTOR.services_by_name["GRPCInferenceService"],
    }
)
