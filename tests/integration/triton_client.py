"""A client that nobody here wrote: NVIDIA's tritonclient against a running `automl-ad serve`.

Not a pytest module: tritonclient registers the messages of package `inference` too, so it runs in an
environment of its own, without automl_ad. With an artifact of all-numeric rows served on 127.0.0.1:9000:

    python -m venv .venv-triton && .venv-triton/bin/pip install "tritonclient[grpc]"
    .venv-triton/bin/python tests/integration/triton_client.py 127.0.0.1:9000 MODEL [CA-FILE TOKEN-FILE]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tritonclient.grpc as triton
from tritonclient._plugin import InferenceServerClientPlugin
from tritonclient._request import Request
from tritonclient.utils import InferenceServerException


def main(url: str, model: str, ca: str | None = None, token_file: str | None = None) -> None:
    client = triton.InferenceServerClient(url, ssl=ca is not None, root_certificates=ca)
    show("live", client.is_server_live())
    show("ready", client.is_server_ready())
    if token_file is not None:
        show("without token", refusal(client.get_server_metadata))
        client.register_plugin(BearerToken(Path(token_file).read_text().strip()))
    show("model ready", client.is_model_ready(model))
    if token_file is None:
        show("unknown model ready", client.is_model_ready("nobody"))
    else:
        show("model of others", refusal(client.is_model_ready, "nobody"))
    show("server", one_line(client.get_server_metadata()))
    metadata = client.get_model_metadata(model)
    show("model", one_line(metadata))
    (rows,) = metadata.inputs
    infer(client, model, rows.name, int(rows.shape[1]))
    refuse(client, model, rows.name, int(rows.shape[1]))


class BearerToken(InferenceServerClientPlugin):
    """Puts the token into the headers of every call."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Request) -> None:
        request.headers["authorization"] = f"Bearer {self._token}"


def infer(client: triton.InferenceServerClient, model: str, name: str, n_features: int) -> None:
    """tritonclient always sends raw contents and expects them back."""
    rows = np.zeros((2, n_features))
    for dtype, datatype in ((np.float64, "FP64"), (np.float32, "FP32")):
        tensor = triton.InferInput(name, list(rows.shape), datatype)
        tensor.set_data_from_numpy(rows.astype(dtype))
        wanted = [triton.InferRequestedOutput(output) for output in ("is_anomaly", "anomaly_score")]
        answer = client.infer(model, [tensor], outputs=wanted, request_id="42")
        scores, flags = answer.as_numpy("anomaly_score"), answer.as_numpy("is_anomaly")
        assert scores.shape == flags.shape == (2,)
        assert (scores.dtype, flags.dtype) == (np.float64, np.bool_)
        assert answer.as_numpy("percentile") is None
        show(f"infer {datatype}", f"scores {scores.tolist()} {flags.tolist()} id {answer.get_response().id}")


def refuse(client: triton.InferenceServerClient, model: str, name: str, n_features: int) -> None:
    for label, tensor_name, width in (("wrong name", "input-0", n_features), ("wrong width", name, 1)):
        tensor = triton.InferInput(tensor_name, [1, width], "FP64")
        tensor.set_data_from_numpy(np.zeros((1, width)))
        show(label, refusal(client.infer, model, [tensor]))


def refusal(call: Callable[..., object], *arguments: object) -> str:
    """Status and message of a call that must not succeed."""
    try:
        call(*arguments)
    except InferenceServerException as refused:
        return f"{refused.status()} {refused.message()}"
    raise SystemExit(f"{call} was accepted")


def one_line(message: object) -> str:
    return " ".join(str(message).split())


def show(label: str, value: object) -> None:
    print(f"{label:22}{value}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
