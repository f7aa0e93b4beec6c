"""inference.GRPCInferenceService (Open Inference Protocol v2) over the scorers."""

from __future__ import annotations

from importlib.metadata import version

from automl_ad.rpc.backend import Backend
from automl_ad.rpc.call import Call
from automl_ad.rpc.errors import BrokenModel, UnknownModel
from automl_ad.rpc.oip import open_inference_grpc_pb2 as pb
from automl_ad.rpc.wire import tensors


class InferenceServicer:
    """Methods take a `Call` in place of gRPC's context and raise AutomlADError: `Edge` makes it a status.

    For that reason this is no subclass of the generated one; that no method is missing is seen when it is
    added to a server.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def ServerLive(self, request: pb.ServerLiveRequest, call: Call) -> pb.ServerLiveResponse:
        """Whether the server can take requests at all."""
        del request, call
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, call: Call) -> pb.ServerReadyResponse:
        """Whether the server is ready to infer: it answers only once its models are loaded."""
        del request, call
        return pb.ServerReadyResponse(ready=True)

    async def ModelReady(self, request: pb.ModelReadyRequest, call: Call) -> pb.ModelReadyResponse:
        """Whether a model is served; one that is unknown or broken is not ready, which is no error."""
        try:
            await self._backend.scorer(request.name, request.version, call)
        except (UnknownModel, BrokenModel):
            return pb.ModelReadyResponse(ready=False)
        return pb.ModelReadyResponse(ready=True)

    async def ServerMetadata(
        self, request: pb.ServerMetadataRequest, call: Call
    ) -> pb.ServerMetadataResponse:
        """Name and version of the server."""
        del request, call
        return pb.ServerMetadataResponse(name="automl-ad", version=version("automl-ad"))

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, call: Call) -> pb.ModelMetadataResponse:
        """Inputs and outputs of a model."""
        scorer = await self._backend.scorer(request.name, request.version, call)
        return pb.ModelMetadataResponse(
            name=scorer.name,
            versions=[scorer.version],
            platform="automl-ad",
            inputs=tensors.input_metadata(scorer.schema),
            outputs=tensors.output_metadata(),
        )

    async def ModelInfer(self, request: pb.ModelInferRequest, call: Call) -> pb.ModelInferResponse:
        """Scores the rows of the tensors."""
        outputs = tensors.wanted_outputs(request)
        return await self._backend.score(
            request,
            call,
            model=(request.model_name, request.model_version),
            decode=tensors.rows_of,
            encode=lambda scores: tensors.infer_response(scores, request, outputs),
        )
