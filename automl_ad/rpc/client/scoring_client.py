"""A typed client: rows in, anomaly scores out. It imports neither torch nor Open Inference stubs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self, Unpack

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from automl_ad.results import AnomalyScores, Explanations
from automl_ad.rpc.client.answers import details_of, explanations_of, joined, model_of, scores_of
from automl_ad.rpc.client.busy_retries import BusyRetries
from automl_ad.rpc.client.channel import channel_credentials, channel_options
from automl_ad.rpc.client.connection import Connection, ConnectionSettings
from automl_ad.rpc.client.model_info import ModelDetails, ModelInfo
from automl_ad.rpc.client.outgoing import CHUNK_ROWS, Outgoing
from automl_ad.rpc.client.packing import ClientRows
from automl_ad.rpc.client.packing import chunks as cut
from automl_ad.rpc.client.refusals import error_of, too_slow
from automl_ad.rpc.client.stream_order import Answers, SentChunks
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc


class ScoringClient:
    """A connection to the service, kept open; one client may be used by many threads.

    Calls that the server was too busy for, or that did not reach it, are tried again within `timeout_s` and a
    budget. Every method raises the errors of `rpc.errors`. gRPC does not survive a fork: open a client in the
    process that uses it.
    """

    def __init__(self, target: str, **settings: Unpack[ConnectionSettings]) -> None:
        """`settings` are those of `Connection`. Connects at the first call."""
        self.connection = Connection(target=target, **settings)
        self._outgoing = Outgoing(self.connection)
        self._busy_retries = BusyRetries(self.connection)
        self._channel = _open(self.connection)
        self._stub = scoring_pb2_grpc.ScoringServiceStub(self._channel)
        self._health = health_pb2_grpc.HealthStub(self._channel)

    def score(self, rows: ClientRows, *, model: str = "", version: str = "") -> AnomalyScores:
        """Scores of a matrix [M, F] in schema order, an arrow table, a frame, or column name -> values.

        `version` may be an alias such as `canary`; empty strings leave the choice to the server.
        """
        request = self._outgoing.score_request(rows, model=model, version=version)
        return scores_of(self._call(self._stub.Score, request))

    def score_stream(
        self, chunks: Iterable[ClientRows], *, model: str = "", version: str = ""
    ) -> Iterator[AnomalyScores]:
        """Scores of any number of chunks, one record a chunk, in order, all by one version of the model.

        Memory stays bounded: `chunks` is read, by another thread, only as fast as answers are taken. What it
        raises is raised here, after the answers to the chunks before. A server may end a stream that lasts
        for many minutes; open another one then.
        """
        sent = SentChunks(lambda rows: self._outgoing.score_request(rows, model=model, version=version))
        answers = Answers(sent)
        metadata = self._outgoing.metadata()
        call: Any = self._stub.ScoreStream(sent.requests(chunks), metadata=metadata)
        patience = _Patience(call, sent, self.connection.timeout_s)
        try:
            while (response := patience.next_answer()) is not None:
                yield answers.scores(response)
        except grpc.RpcError as error:
            if patience.is_over:
                raise too_slow(self.connection, metadata) from None
            raise error_of(error, self.connection, metadata) from None
        finally:
            call.cancel()
            sent.stop()
        answers.finish()

    def score_table(
        self, rows: ClientRows, *, model: str = "", version: str = "", chunk_rows: int = CHUNK_ROWS
    ) -> AnomalyScores:
        """Scores of a table of any length, sent in chunks; one version of the model answers for all of it."""
        return joined(list(self.score_stream(cut(rows, chunk_rows), model=model, version=version)))

    def explain(self, rows: ClientRows, *, model: str = "", version: str = "") -> Explanations:
        """What each feature contributes to the scores of a few rows (ModelInfo.max_explained_rows)."""
        request = self._outgoing.score_request(rows, model=model, version=version)
        return explanations_of(self._call(self._stub.Explain, pb.ExplainRequest(rows=request)))

    def list_models(self) -> list[ModelInfo]:
        """The models that the token may use, by name, with their features in the order of a matrix row."""
        return [model_of(model) for model in self._call(self._stub.ListModels, pb.ListModelsRequest()).models]

    def get_model(self, name: str = "", version: str = "") -> ModelDetails:
        """Everything about one model; empty strings leave the choice to the server."""
        request = pb.GetModelRequest(model=name, model_version=version)
        return details_of(self._call(self._stub.GetModel, request))

    def is_serving(self, service: str = "") -> bool:
        """What grpc.health.v1 says, without the token. Raises ServerError when nobody answers."""
        request = health_pb2.HealthCheckRequest(service=service)
        answer = self._call(self._health.Check, request, has_token=False)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def close(self) -> None:
        """End the connection; calls in progress fail."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: Any, request: Any, *, has_token: bool = True) -> Any:
        metadata = self._outgoing.metadata(has_token=has_token)
        attempts = self._busy_retries.attempts()
        while True:
            try:
                answer = method(request, timeout=attempts.left_s, metadata=metadata)
            except grpc.RpcError as failed:
                error = error_of(failed, self.connection, metadata)
            else:
                attempts.succeeded()
                return answer
            time.sleep(attempts.pause_s(error))


class _Patience:
    """Reads the answers of a stream, and cancels it when one takes too long after its chunk was handed over.

    Neither a source that has no chunk yet counts, nor a caller who does not read.
    """

    def __init__(self, call: Any, sent: SentChunks, timeout_s: float) -> None:
        self._call = call
        self._sent = sent
        self._timeout_s = timeout_s
        self.is_over = False
        """Whether the call was cancelled here."""

    def next_answer(self) -> pb.ScoreStreamResponse | None:
        """The next answer; None at the end. Raises grpc.RpcError."""
        has_answer = threading.Event()
        watcher = threading.Thread(target=self._watch, args=[time.monotonic(), has_answer], daemon=True)
        watcher.start()
        try:
            answer: pb.ScoreStreamResponse | None = next(self._call, None)
        finally:
            has_answer.set()
        return answer

    def _watch(self, began_at: float, has_answer: threading.Event) -> None:
        left_s = self._timeout_s
        while not has_answer.wait(left_s):
            handed_at = self._sent.waiting_since()
            now = time.monotonic()
            left_s = self._timeout_s - (now - max(began_at, handed_at if handed_at is not None else now))
            if left_s <= 0:
                self.is_over = True
                self._call.cancel()
                return


def _open(connection: Connection) -> grpc.Channel:
    credentials, options = channel_credentials(connection), channel_options(connection)
    if credentials is None:
        return grpc.insecure_channel(connection.target, options=options)
    return grpc.secure_channel(connection.target, credentials, options=options)
