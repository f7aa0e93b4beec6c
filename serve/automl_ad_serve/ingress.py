"""The ingress door: Serve's own gRPC proxy routes every request to a replica.

For its routing, retries and autoscaling, at several times the latency of the direct door. The proxy binds all
interfaces, has no TLS and finds methods by their bare name; what a replica raises would reach the client with
its traceback, so every method of every registered service is here and catches everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health_pb2
from ray.serve.grpc_util import RayServegRPCContext
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from automl_ad.artifact import Scorer
from automl_ad.rpc.failures import failure_of
from automl_ad.rpc.host import SERVICES
from automl_ad.rpc.inference_servicer import InferenceServicer
from automl_ad.rpc.models import Limits, Models
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.scoring_servicer import ScoringServicer
from automl_ad.rpc.v1 import scoring_pb2 as v1
from automl_ad.rpc.workers import Workers

Response = TypeVar("Response")

SERVICER_FUNCTIONS = [
    "automl_ad.rpc.v1.scoring_pb2_grpc.add_ScoringServiceServicer_to_server",
    "automl_ad.rpc.oip.open_inference_grpc_pb2_grpc.add_GRPCInferenceServiceServicer_to_server",
    "grpc_health.v1.health_pb2_grpc.add_HealthServicer_to_server",
]
_SERVING = health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)


class Ingress:
    """One replica. The method names are those of the services, which must not share any."""

    def __init__(self, artifacts: Sequence[Path], limits: Limits) -> None:
        models = Models(Scorer.load(path) for path in artifacts)
        workers = Workers()
        self._scoring = ScoringServicer(models, limits, workers)
        self._inference = InferenceServicer(models, limits, workers)

    async def Score(self, request: v1.ScoreRequest, grpc_context: RayServegRPCContext) -> v1.ScoreResponse:
        """ScoringService."""
        return await _answer(self._scoring.Score, request, grpc_context, v1.ScoreResponse())

    async def ListModels(
        self, request: v1.ListModelsRequest, grpc_context: RayServegRPCContext
    ) -> v1.ListModelsResponse:
        """ScoringService."""
        return await _answer(self._scoring.ListModels, request, grpc_context, v1.ListModelsResponse())

    async def ServerLive(
        self, request: oip.ServerLiveRequest, grpc_context: RayServegRPCContext
    ) -> oip.ServerLiveResponse:
        """GRPCInferenceService."""
        return await _answer(self._inference.ServerLive, request, grpc_context, oip.ServerLiveResponse())

    async def ServerReady(
        self, request: oip.ServerReadyRequest, grpc_context: RayServegRPCContext
    ) -> oip.ServerReadyResponse:
        """GRPCInferenceService."""
        return await _answer(self._inference.ServerReady, request, grpc_context, oip.ServerReadyResponse())

    async def ModelReady(
        self, request: oip.ModelReadyRequest, grpc_context: RayServegRPCContext
    ) -> oip.ModelReadyResponse:
        """GRPCInferenceService."""
        return await _answer(self._inference.ModelReady, request, grpc_context, oip.ModelReadyResponse())

    async def ServerMetadata(
        self, request: oip.ServerMetadataRequest, grpc_context: RayServegRPCContext
    ) -> oip.ServerMetadataResponse:
        """GRPCInferenceService."""
        empty = oip.ServerMetadataResponse()
        return await _answer(self._inference.ServerMetadata, request, grpc_context, empty)

    async def ModelMetadata(
        self, request: oip.ModelMetadataRequest, grpc_context: RayServegRPCContext
    ) -> oip.ModelMetadataResponse:
        """GRPCInferenceService."""
        empty = oip.ModelMetadataResponse()
        return await _answer(self._inference.ModelMetadata, request, grpc_context, empty)

    async def ModelInfer(
        self, request: oip.ModelInferRequest, grpc_context: RayServegRPCContext
    ) -> oip.ModelInferResponse:
        """GRPCInferenceService."""
        return await _answer(self._inference.ModelInfer, request, grpc_context, oip.ModelInferResponse())

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
        """Health: one answer, then silence until the client leaves; a replica never stops serving alive."""
        yield await self.Check(request, grpc_context)
        await asyncio.Event().wait()

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


async def _answer(
    method: Callable[[Any, Any], Awaitable[Response]],
    request: Any,
    context: RayServegRPCContext,
    empty: Response,
) -> Response:
    """The method's answer, or `empty` under the status of `failure_of`."""
    try:
        return await method(request, context)
    except Exception as error:  # noqa: BLE001  the RPC edge
        failure = failure_of(error)
        context.set_code(failure.code)
        context.set_details(failure.details)
        return empty
