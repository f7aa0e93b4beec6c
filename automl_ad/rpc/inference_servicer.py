"""inference.GRPCInferenceService (Open Inference Protocol v2) over the scorers."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from automl_ad.rpc import tensors
from automl_ad.rpc.models import Limits, Models, UnknownModel
from automl_ad.rpc.oip import open_inference_grpc_pb2 as pb
from automl_ad.rpc.oip import open_inference_grpc_pb2_grpc
from automl_ad.rpc.workers import Workers


class InferenceServicer(open_inference_grpc_pb2_grpc.GRPCInferenceServiceServicer):
    """Raises AutomlADError; the host turns it into a status. Models are loaded before the server listens."""

    def __init__(self, models: Models, limits: Limits, workers: Workers) -> None:
        self._models = models
        self._max_rows = limits.max_rows
        self._workers = workers

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Any) -> pb.ServerLiveResponse:
        """Whether the server can take requests at all."""
        del request, context
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Any) -> pb.ServerReadyResponse:
        """Whether the server is ready to infer."""
        del request, context
        return pb.ServerReadyResponse(ready=True)

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Any) -> pb.ModelReadyResponse:
        """Whether a model is served; an unknown one is not ready, which is no error."""
        del context
        try:
            self._models.find(request.name, request.version)
        except UnknownModel:
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    async def ServerMetadata(
        self, request: pb.ServerMetadataRequest, context: Any
    ) -> pb.ServerMetadataResponse:
        """Name and version of the server."""
        del request, context
        return pb.ServerMetadataResponse(name="automl-ad", version=version("automl-ad"))

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, context: Any) -> pb.ModelMetadataResponse:
        """Inputs and outputs of a model."""
        del context
        scorer = self._models.find(request.name, request.version)
        return pb.ModelMetadataResponse(
            name=scorer.name,
            versions=[scorer.version],
            platform="automl-ad",
            inputs=tensors.input_metadata(scorer.schema),
            outputs=tensors.output_metadata(),
        )

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Any) -> pb.ModelInferResponse:
        """Scores the rows of the tensors."""
        del context
        return await self._workers.run(self._infer, request)

    def _infer(self, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        scorer = self._models.find(request.model_name, request.model_version)
        outputs = tensors.wanted_outputs(request)
        rows = tensors.rows_of(request, scorer.schema, self._max_rows)
        return tensors.infer_response(scorer.score(rows), request, outputs)
