"""The ingress door without a cluster: every RPC is there, and nothing but a status leaves a replica."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import inspect
import pickle
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from automl_ad_serve import ingress
from automl_ad_serve.ingress import SERVICER_FUNCTIONS, Ingress, StreamEnded
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2

from automl_ad.data import Feature, Schema
from automl_ad.rpc.models import FixedModels
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.options import HostOptions, ModelSource
from automl_ad.rpc.service_options import ServiceOptions
from automl_ad.rpc.telemetry.metrics import Metrics
from automl_ad.rpc.v1 import scoring_pb2 as pb


class BrokenScorer:
    """An artifact whose scoring has a bug."""

    name, version = "broken", "v1"
    schema = Schema(
        kind="tabular",
        features=(Feature(name="a", kind="numeric", arrow_type="double", is_nullable=True, policy=""),),
    )

    def score(self, rows):
        raise ZeroDivisionError("secret")


class Context:
    """What a replica may do with Serve's context."""

    def __init__(self, *metadata: tuple[str, str]) -> None:
        self.metadata = list(metadata)
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.trailing: list[tuple[str, Any]] = []

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return self.metadata

    def peer(self) -> str:
        return "ipv4:10.0.0.1:1"

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details

    def set_trailing_metadata(self, trailing_metadata: list[tuple[str, Any]]) -> None:
        assert isinstance(trailing_metadata, list)  # Serve adds it to a list of its own
        self.trailing = trailing_metadata


class Replica(Ingress):
    """Serve awaits `__del__` itself and takes it away; here Python would call it a second time."""

    def __del__(self) -> None:
        """The test has awaited it."""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch):
    """(method, request, context) -> what a replica of the broken model answers; a list of a stream."""
    monkeypatch.setattr(ingress, "prepared", lambda _service: (FixedModels([BrokenScorer()]), Metrics(), int))

    def call(name: str, request: Any, context: Context, *, keys: Path | None = None) -> Any:
        async def answer() -> Any:
            service = ServiceOptions(models=ModelSource(artifacts=(Path("a"),)), host=HostOptions(keys=keys))
            replica = Replica.__new__(Replica)
            await replica.__init__(service)
            answered = getattr(replica, name)(request, grpc_context=context)
            try:
                return [item async for item in answered] if inspect.isasyncgen(answered) else await answered
            finally:
                await Ingress.__del__(replica)

        return asyncio.run(answer())

    return call


def registered_methods() -> Iterator[str]:
    """Bare names of all methods of all services that the proxy is told of."""

    class Server:
        names: tuple[str, ...] = ()

        def add_generic_rpc_handlers(self, handlers):
            """The older way to register, which grpcio uses too."""

        def add_registered_method_handlers(self, service, handlers):
            self.names += tuple(handlers)

    class Servicer:
        def __getattr__(self, name):
            return None

    server = Server()
    for path in SERVICER_FUNCTIONS:
        module, _, function = path.rpartition(".")
        getattr(importlib.import_module(module), function)(Servicer(), server)
    yield from server.names


def double_matrix(*values: float) -> pb.ScoreRequest:
    return pb.ScoreRequest(double_matrix=pb.DoubleMatrix(n_features=1, values=values))


async def stream_of(*chunks: pb.ScoreRequest) -> AsyncIterator[pb.ScoreStreamRequest]:
    for chunk in chunks:
        yield pb.ScoreStreamRequest(chunk=chunk)


def test_every_method_of_every_service_is_there_and_takes_the_context():
    names = list(registered_methods())
    assert {"Score", "ScoreStream", "Explain", "ListModels", "GetModel", "ModelInfer", "Check"} < set(names)
    for name in names:
        assert list(inspect.signature(getattr(Ingress, name)).parameters)[1:] == ["request", "grpc_context"]


def test_no_two_services_share_a_method_name():
    """Serve routes by the bare name."""
    names = list(registered_methods())
    assert sorted(names) == sorted(set(names))


def test_a_bug_reaches_the_proxy_as_an_incident(call):
    context = Context()
    assert call("Score", double_matrix(1), context) == pb.ScoreResponse()
    assert context.code is grpc.StatusCode.INTERNAL
    assert context.details.startswith("internal error, incident ")
    assert "secret" not in context.details


def test_a_wrong_request_reaches_the_proxy_with_reason_details_and_its_own_id(call):
    context = Context(("x-request-id", "mine"))
    assert (
        call("ModelMetadata", oip.ModelMetadataRequest(name="broke"), context) == oip.ModelMetadataResponse()
    )
    assert context.code is grpc.StatusCode.NOT_FOUND
    assert context.details == "no model is called 'broke'; did you mean 'broken'?"
    trailing = dict(context.trailing)
    assert trailing["x-request-id"] == "mine"
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("MODEL_UNKNOWN", "automl-ad")


def test_a_stream_that_fails_raises_with_the_status_set_and_nothing_of_the_bug(call):
    context = Context()
    with pytest.raises(StreamEnded, match=r"internal error, incident \w+: see the server's log") as raised:
        call("ScoreStream", stream_of(double_matrix(1)), context)
    assert context.code is grpc.StatusCode.INTERNAL
    assert "secret" not in f"{context.details}{raised.value}"
    assert str(pickle.loads(pickle.dumps(raised.value))) == context.details  # Serve sends it to its proxy


def test_a_token_is_asked_for_but_not_by_probes(call, tmp_path):
    keys = tmp_path / "keys.toml"
    keys.write_text(f'[keys.team]\nsha256 = "{hashlib.sha256(b"t" * 64).hexdigest()}"\n')
    keys.chmod(0o600)
    refused, accepted, probed = Context(), Context(("authorization", "Bearer " + "t" * 64)), Context()
    call("ListModels", pb.ListModelsRequest(), refused, keys=keys)
    assert refused.code is grpc.StatusCode.UNAUTHENTICATED
    call("ServerMetadata", oip.ServerMetadataRequest(), accepted, keys=keys)
    assert accepted.code is None
    assert call("ServerLive", oip.ServerLiveRequest(), probed, keys=keys).live
    assert call("Check", health_pb2.HealthCheckRequest(), probed, keys=keys).status == 1
