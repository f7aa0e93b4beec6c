"""The same model in MLServer, which speaks Open Inference over gRPC, in an environment of its own.

MLServer's dependencies and its copy of the Open Inference stubs clash with ours, so:

    python3.11 -m venv PEER
    PEER/bin/pip install mlserver torch safetensors scikit-learn scipy pyarrow   # MLServer 1.7.1 was measured
    PEER/bin/pip install --no-deps .
    PEER/bin/python tests/benchmarks/peer_mlserver.py ARTIFACT --port N

The runtime calls the same `Scorer`. Inference runs in the server's process (`parallel_workers` 0): for one
model on few cores it is MLServer's fastest setting.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import tempfile
from pathlib import Path

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from automl_ad.artifact import Scorer


class ScorerModel(MLModel):
    """MLServer's runtime over an artifact: tensor `rows` in, three tensors out."""

    async def load(self) -> bool:
        self._scorer = Scorer.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        scores = self._scorer.score(NumpyCodec.decode_input(payload.inputs[0]))
        outputs = [
            NumpyCodec.encode_output(name, getattr(scores, name))
            for name in ("anomaly_score", "percentile", "is_anomaly")
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)


async def serve(artifact: Path, port: int) -> None:
    settings = Settings(
        host="127.0.0.1",
        grpc_port=port,
        http_port=_free_port(),
        metrics_port=_free_port(),
        parallel_workers=0,
        debug=False,
        grpc_max_message_length=2**24,
        load_models_at_startup=False,
    )
    server = MLServer(settings)
    model = ModelSettings(
        name=artifact.name, implementation=ScorerModel, parameters={"uri": str(artifact.resolve())}
    )
    running = asyncio.create_task(server.start(models_settings=[model]))
    while not _answers(port):
        if running.done():
            running.result()
        await asyncio.sleep(0.1)
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await running


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("artifact", type=Path)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        artifact = arguments.artifact.resolve()
        os.chdir(folder)  # MLServer writes its metrics where it stands
        asyncio.run(serve(artifact, arguments.port))
