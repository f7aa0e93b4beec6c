"""A service to test clients against: it scores a row by its first value, and refuses as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
import numpy as np
import pyarrow as pa
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc

THRESHOLD = 2.5


@dataclass(kw_only=True)
class Refusal:
    """How a call ends."""

    code: grpc.StatusCode
    details: str = "refused"
    trailing: tuple[tuple[str, str | bytes], ...] = ()


class FakeService(scoring_pb2_grpc.ScoringServiceServicer):
    """Keeps what it was sent. `refusals` are used up one a call, `always` is not."""

    def __init__(self) -> None:
        self.refusals: list[Refusal] = []
        self.always: Refusal | None = None
        self.requests: list[object] = []
        self.metadata: list[dict[str, str]] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.has_chunk = threading.Event()
        self.was_cancelled = threading.Event()
        self.refused_chunk: int | None = None
        self.refused_with = "a row must have 3 features"
        self.n_chunks_before_end: int | None = None
        """After which every stream ends, as at a server that stops."""
        self.first_index = 0

    def Score(self, request, context):
        self._enter(request, context)
        self.may_answer.wait(20)
        return answer(request)

    def ScoreStream(self, requests, context):
        self._enter(None, context)
        context.add_callback(self.was_cancelled.set)
        for index, request in enumerate(requests, self.first_index):
            self.requests.append(request)
            self.has_chunk.set()
            self.may_answer.wait(20)
            if index == self.refused_chunk:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"chunk {index}: {self.refused_with}")
            if index == self.n_chunks_before_end:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the server stops")
            yield pb.ScoreStreamResponse(index=index, scores=answer(request.chunk))

    def Explain(self, request, context):
        self._enter(request, context)
        scores = first_values(request.rows)
        return pb.ExplainResponse(
            model="payments",
            model_version="v1",
            features=["a", "b"],
            reference_score=1.0,
            explanations=[
                pb.Explanation(anomaly_score=s, contributions=[s - 1, 0], standard_errors=[0, 0.5])
                for s in scores
            ],
        )

    def ListModels(self, request, context):
        self._enter(request, context)
        return pb.ListModelsResponse(models=[model()])

    def GetModel(self, request, context):
        self._enter(request, context)
        response = pb.GetModelResponse(
            model=model(),
            threshold=pb.Threshold(value=2.5, rule="99 % of the panel", group_values={"SE": 3.0}),
            aliases=["champion"],
            data_fingerprint="abc",
            n_panel_rows=200,
            parts=[pb.Part(detector="knn", score_type="distance", weight=1.0, n_members=1)],
            library_versions={"torch": "2.11"},
        )
        response.create_time.FromSeconds(1_764_115_200)
        response.evidence.update({"criteria": ["probe_auc"]})
        return response

    def _enter(self, request, context) -> None:
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        refusal = self.refusals.pop(0) if self.refusals else self.always
        if refusal is not None:
            context.set_trailing_metadata(refusal.trailing)
            context.abort(refusal.code, refusal.details)


def model() -> pb.Model:
    kinds = {"a": pb.FEATURE_KIND_NUMERIC, "country": pb.FEATURE_KIND_CATEGORICAL}
    features = [pb.Feature(name=name, kind=kind, is_nullable=True) for name, kind in kinds.items()]
    return pb.Model(name="payments", version="v1", features=features, max_rows=50, max_explained_rows=4)


def first_values(request: pb.ScoreRequest) -> list[float]:
    """The first value of every row, whichever form the rows have."""
    form = request.WhichOneof("rows")
    rows = getattr(request, form)
    if form == "arrow_ipc":
        return pa.ipc.open_stream(rows).read_all().column(0).to_pylist()
    if form == "columns":
        return list(rows.columns[0].numbers.values)
    packed = np.frombuffer(rows.float32_values, "<f4") if form == "packed_matrix" else np.array(rows.values)
    return packed[:: rows.n_features].tolist()


def answer(request: pb.ScoreRequest) -> pb.ScoreResponse:
    scores = first_values(request)
    return pb.ScoreResponse(
        model=request.model or "payments",
        model_version=request.model_version or "v1",
        anomaly_score=scores,
        percentile=[min(100.0, max(0.0, 10 * score)) for score in scores],
        is_anomaly=[score > THRESHOLD for score in scores],
        threshold=THRESHOLD,
    )


def rich(code: grpc.StatusCode, details: str, reason: str, *facts) -> Refusal:
    """A refusal with google.rpc details, as the service writes them."""
    status = status_pb2.Status(code=code.value[0], message=details)
    for fact in (
        error_details_pb2.ErrorInfo(reason=reason, domain="automl-ad"),
        error_details_pb2.RequestInfo(request_id="from-the-server"),
        *facts,
    ):
        status.details.add().Pack(fact)
    trailing = (("grpc-status-details-bin", status.SerializeToString()),)
    return Refusal(code=code, details=details, trailing=trailing)


@dataclass(kw_only=True)
class Running:
    """A fake that listens."""

    service: FakeService
    health: health.HealthServicer
    address: str
    stop: Callable[[], None] = field(repr=False)


@contextmanager
def listening(credentials: grpc.ServerCredentials | None = None) -> Iterator[Running]:
    """A fake on a free port of loopback."""
    service, health_servicer = FakeService(), health.HealthServicer()
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", 2**26)])
    scoring_pb2_grpc.add_ScoringServiceServicer_to_server(service, server)
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    health_servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    port = (
        server.add_insecure_port("127.0.0.1:0")
        if credentials is None
        else server.add_secure_port("127.0.0.1:0", credentials)
    )
    server.start()
    try:
        yield Running(
            service=service,
            health=health_servicer,
            address=f"127.0.0.1:{port}",
            stop=lambda: server.stop(None).wait(),
        )
    finally:
        service.may_answer.set()
        server.stop(None).wait()
