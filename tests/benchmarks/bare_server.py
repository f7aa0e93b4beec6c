"""The least that answers: grpc.aio and the scorer, without checks, errors, health, limits or threads.

    python tests/benchmarks/bare_server.py ARTIFACT --port N

It takes rows as doubles, as packed float32, and as raw FP32 of Open Inference, so that what a host costs is
measured on the same bytes.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

import grpc.aio
import numpy as np

from automl_ad.artifact import Scorer
from automl_ad.results import AnomalyScores
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.oip import open_inference_grpc_pb2_grpc
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc


class Scoring(scoring_pb2_grpc.ScoringServiceServicer):
    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    async def Score(self, request, context):
        scores = self._scorer.score(_rows(request))
        return pb.ScoreResponse(
            anomaly_score=scores.anomaly_score.tolist(),
            percentile=scores.percentile.tolist(),
            is_anomaly=scores.is_anomaly.tolist(),
            threshold=scores.threshold,
        )


class Inference(open_inference_grpc_pb2_grpc.GRPCInferenceServiceServicer):
    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    async def ModelInfer(self, request, context):
        rows_MF = np.frombuffer(request.raw_input_contents[0], "<f4").reshape(request.inputs[0].shape)
        return _tensors(self._scorer.score(rows_MF))


def _rows(request: pb.ScoreRequest) -> np.ndarray:
    if request.WhichOneof("rows") == "packed_matrix":
        packed = request.packed_matrix
        return np.frombuffer(packed.float32_values, "<f4").reshape(-1, packed.n_features)
    return np.asarray(request.double_matrix.values).reshape(-1, request.double_matrix.n_features)


def _tensors(scores: AnomalyScores) -> oip.ModelInferResponse:
    response = oip.ModelInferResponse()
    for name, datatype in (("anomaly_score", "FP64"), ("percentile", "FP64"), ("is_anomaly", "BOOL")):
        values = getattr(scores, name)
        response.outputs.add(name=name, datatype=datatype, shape=[len(values)])
        response.raw_output_contents.append(values.tobytes())
    return response


async def serve(artifact: Path, port: int) -> None:
    scorer = Scorer.load(artifact)
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 2**24)])
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(Scoring(scorer), server)
    open_inference_grpc_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Inference(scorer), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.artifact, arguments.port))
