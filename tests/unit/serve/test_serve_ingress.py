"""The ingress door without a cluster: every RPC is there, and nothing but a status leaves a replica."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from automl_ad_serve import ingress
from automl_ad_serve.ingress import SERVICER_FUNCTIONS, Ingress
from automl_ad_serve.run import ServeOptions

from automl_ad.data import Feature, Schema
from automl_ad.errors import ConfigError
from automl_ad.rpc.host import HostOptions
from automl_ad.rpc.models import Limits
from automl_ad.rpc.oip import open_inference_grpc_pb2 as oip
from automl_ad.rpc.v1 import scoring_pb2 as pb


class BrokenScorer:
    """An artifact whose scoring has a bug."""

    name, version = "broken", "v1"
    schema = Schema(
        kind="tabular",
        features=(Feature(name="a", kind="numeric", arrow_type="double", is_nullable=True, policy=""),),
    )

    @classmethod
    def load(cls, path: Path) -> BrokenScorer:
        del path
        return cls()

    def score(self, rows):
        raise ZeroDivisionError("secret")


class Context:
    """What a replica may do with Serve's context."""

    code: grpc.StatusCode | None = None
    details = ""

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch) -> Ingress:
    monkeypatch.setattr(ingress, "Scorer", BrokenScorer)
    return Ingress([Path("broken")], Limits())


def registered_methods() -> Iterator[str]:
    """Bare names of all methods of all services that the proxy is told of."""

    class Server:
        names: tuple[str, ...] = ()

        def add_generic_rpc_handlers(self, handlers):
            """The older way to register, which grpcio uses too."""

        def add_registered_method_handlers(self, service, handlers):
            self.names += tuple(handlers)

    server = Server()
    for path in SERVICER_FUNCTIONS:
        module, _, function = path.rpartition(".")
        getattr(importlib.import_module(module), function)(Ingress, server)
    yield from server.names


def test_every_method_of_every_service_is_there_and_takes_the_context():
    names = list(registered_methods())
    assert {"Score", "ListModels", "ModelInfer", "Check", "Watch", "List"} < set(names)
    for name in names:
        assert list(inspect.signature(getattr(Ingress, name)).parameters)[1:] == ["request", "grpc_context"]


def test_no_two_services_share_a_method_name():
    """Serve routes by the bare name."""
    names = list(registered_methods())
    assert sorted(names) == sorted(set(names))


def test_a_bug_reaches_the_proxy_as_an_incident(replica):
    context = Context()
    request = pb.ScoreRequest(double_matrix=pb.DoubleMatrix(n_features=1, values=[1]))
    assert asyncio.run(replica.Score(request, context)) == pb.ScoreResponse()
    assert context.code is grpc.StatusCode.INTERNAL
    assert context.details.startswith("internal error, incident ")
    assert "secret" not in context.details


def test_a_wrong_request_reaches_the_proxy_with_its_reason(replica):
    context = Context()
    asyncio.run(replica.ModelMetadata(oip.ModelMetadataRequest(name="broke"), context))
    assert context.code is grpc.StatusCode.NOT_FOUND
    assert context.details == "no model is called 'broke'; did you mean 'broken'?"


def test_a_port_that_replicas_cannot_share_is_refused():
    with pytest.raises(ConfigError, match="--ray needs a port that all replicas share, got 0"):
        ServeOptions(host=HostOptions(port=0))


def test_at_least_one_replica():
    with pytest.raises(ConfigError, match="--replicas must be at least 1, got 0"):
        ServeOptions(n_replicas=0)
