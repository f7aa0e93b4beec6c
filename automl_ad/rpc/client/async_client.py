"""The typed client for asyncio: the methods of `client.ScoringClient`, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self, Unpack

import grpc
import grpc.aio
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


class AsyncScoringClient:
    """A connection to the service, kept open. It belongs to the event loop that opened it.

    Rows, answers, retries and errors are those of `ScoringClient`.
    """

    def __init__(self, target: str, **settings: Unpack[ConnectionSettings]) -> None:
        """`settings` are those of `Connection`. Connects at the first call."""
        self._connection = Connection(target=target, **settings)
        self._outgoing = Outgoing(self._connection)
        self._busy_retries = BusyRetries(self._connection)
        self._channel = _open(self._connection)
        self._stub: Any = scoring_pb2_grpc.ScoringServiceStub(self._channel)
        self._health: Any = health_pb2_grpc.HealthStub(self._channel)

    async def score(self, rows: ClientRows, *, model: str = "", version: str = "") -> AnomalyScores:
        """Scores of a matrix [M, F] in schema order, an arrow table, a frame, or column name -> values."""
        request = self._outgoing.score_request(rows, model=model, version=version)
        return scores_of(await self._call(self._stub.Score, request))

    async def score_stream(
        self,
        chunks: Iterable[ClientRows] | AsyncIterable[ClientRows],
        *,
        model: str = "",
        version: str = "",
    ) -> AsyncIterator[AnomalyScores]:
        """Scores of any number of chunks, one record a chunk, in order, all by one version of the model.

        One chunk is on its way while the next is made. What `chunks` raises is raised here, after the answers
        to the chunks before. `contextlib.aclosing` ends a stream left early at once.
        """
        sent = SentChunks(lambda rows: self._outgoing.score_request(rows, model=model, version=version))
        answers = Answers(sent)
        requests = sent.requests_async(chunks)
        metadata = self._outgoing.metadata()
        call = self._stub.ScoreStream(metadata=metadata)
        coming = asyncio.ensure_future(anext(requests, None))
        try:
            while (request := await coming) is not None:
                coming = asyncio.ensure_future(anext(requests, None))
                response = await self._exchange(call, request)
                if response is None:
                    break
                yield answers.scores(response)
            await call.done_writing()
        except TimeoutError:
            raise too_slow(self._connection, metadata) from None
        except grpc.RpcError as error:
            raise error_of(error, self._connection, metadata) from None
        finally:
            coming.cancel()
            call.cancel()
        answers.finish()

    async def score_table(
        self, rows: ClientRows, *, model: str = "", version: str = "", chunk_rows: int = CHUNK_ROWS
    ) -> AnomalyScores:
        """Scores of a table of any length, sent in chunks; one version of the model answers for all of it."""
        return joined(
            [
                scores
                async for scores in self.score_stream(cut(rows, chunk_rows), model=model, version=version)
            ]
        )

    async def explain(self, rows: ClientRows, *, model: str = "", version: str = "") -> Explanations:
        """What each feature contributes to the scores of a few rows (ModelInfo.max_explained_rows)."""
        request = self._outgoing.score_request(rows, model=model, version=version)
        return explanations_of(await self._call(self._stub.Explain, pb.ExplainRequest(rows=request)))

    async def list_models(self) -> list[ModelInfo]:
        """The models that the token may use, by name, with their features in the order of a matrix row."""
        response = await self._call(self._stub.ListModels, pb.ListModelsRequest())
        return [model_of(model) for model in response.models]

    async def get_model(self, name: str = "", version: str = "") -> ModelDetails:
        """Everything about one model; empty strings leave the choice to the server."""
        request = pb.GetModelRequest(model=name, model_version=version)
        return details_of(await self._call(self._stub.GetModel, request))

    async def is_serving(self, service: str = "") -> bool:
        """What grpc.health.v1 says, without the token. Raises ServerError when nobody answers."""
        request = health_pb2.HealthCheckRequest(service=service)
        answer = await self._call(self._health.Check, request, has_token=False)
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def close(self) -> None:
        """End the connection; calls in progress fail."""
        await self._channel.close(None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _call(self, method: Any, request: Any, *, has_token: bool = True) -> Any:
        metadata = self._outgoing.metadata(has_token=has_token)
        attempts = self._busy_retries.attempts()
        while True:
            try:
                answer = await method(request, timeout=attempts.left_s, metadata=metadata)
            except grpc.RpcError as failed:
                error = error_of(failed, self._connection, metadata)
            else:
                attempts.succeeded()
                return answer
            await asyncio.sleep(attempts.pause_s(error))

    async def _exchange(self, call: Any, request: pb.ScoreStreamRequest) -> pb.ScoreStreamResponse | None:
        """The answer to one chunk; None where the server has ended the stream. Raises RpcError, TimeoutError.

        One at a time, because grpc.aio loses the server's reason to end a stream when a write fails on it
        (https://github.com/grpc/grpc/issues/36066). Where that happens, the chunk is asked about by itself.
        """
        async with asyncio.timeout(self._connection.timeout_s):
            try:
                await call.write(request)
            except grpc.RpcError:
                await self._call(self._stub.Score, request.chunk)
                raise
            answer = await call.read()
        return None if answer is grpc.aio.EOF else answer  # type: ignore[attr-defined]


def _open(connection: Connection) -> grpc.aio.Channel:
    credentials, options = channel_credentials(connection), channel_options(connection)
    if credentials is None:
        return grpc.aio.insecure_channel(connection.target, options=options)
    return grpc.aio.secure_channel(connection.target, credentials, options=options)
