"""automl_ad.rpc.v1.ScoringService: which model, decode, score, encode."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import copy
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from automl_ad.artifact.explaining import explain
from automl_ad.errors import MAX_COMPARED, AutomlADError, RowsError
from automl_ad.rpc.backend import Backend
from automl_ad.rpc.call import Call
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.wire import codec

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer


class ScoringServicer:
    """Methods take a `Call` in place of gRPC's context and raise AutomlADError: `Edge` makes it a status.

    For that reason this is no subclass of the generated one; that no method is missing is seen when it is
    added to a server.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._details: WeakKeyDictionary[Scorer, pb.GetModelResponse] = WeakKeyDictionary()
        """Aliases, which change, are added to each answer."""

    async def Score(self, request: pb.ScoreRequest, call: Call) -> pb.ScoreResponse:
        """Scores every row of the request."""
        return await self._backend.score(
            request,
            call,
            model=(request.model, request.model_version),
            decode=codec.rows_of,
            encode=codec.score_response,
        )

    async def ScoreStream(
        self, requests: AsyncIterator[pb.ScoreStreamRequest], call: Call
    ) -> AsyncIterator[pb.ScoreStreamResponse]:
        """Scores chunk after chunk, all with the version that the first one found."""
        scorer: Scorer | None = None
        index = 0
        async for request in requests:
            try:
                if scorer is None:
                    model, version = request.chunk.model, request.chunk.model_version
                    scorer = await self._backend.scorer(model, version, call)
                _require_same_model(request.chunk, (scorer.name, model), (scorer.version, version))
                scores = await self._chunk(scorer, request.chunk, call)
            except AutomlADError as error:
                raise _of_chunk(index, error) from error
            yield pb.ScoreStreamResponse(index=index, scores=scores)
            index += 1

    async def Explain(self, request: pb.ExplainRequest, call: Call) -> pb.ExplainResponse:
        """Says what each feature contributes to the score of each row."""
        rows, engine = request.rows, self._backend.engine
        scorer = await self._backend.scorer(rows.model, rows.model_version, call)
        response = await engine.alone(lambda: self._explained(scorer, rows))
        call.n_rows = len(response.explanations)
        return response

    async def ListModels(self, request: pb.ListModelsRequest, call: Call) -> pb.ListModelsResponse:
        """Lists the models that the caller may use, with what they expect."""
        del request
        with self._backend.engine.gate.entered():
            served = await self._backend.models.served(call.caller.may_use)
        limits = self._backend.limits
        return pb.ListModelsResponse(models=[codec.model_of(scorer, limits) for scorer in served])

    async def GetModel(self, request: pb.GetModelRequest, call: Call) -> pb.GetModelResponse:
        """Says everything about one model."""
        scorer = await self._backend.scorer(request.model, request.model_version, call)
        details = self._details.get(scorer)
        if details is None:
            details = self._details[scorer] = codec.details_of(scorer, (), self._backend.limits)
        response = pb.GetModelResponse(aliases=self._backend.models.aliases(scorer))
        response.MergeFrom(details)
        return response

    async def _chunk(self, scorer: Scorer, chunk: pb.ScoreRequest, call: Call) -> pb.ScoreResponse:
        engine = self._backend.engine
        async with engine.gate.waited():
            return await engine.score(scorer, chunk, call, decode=codec.rows_of, encode=codec.score_response)

    def _explained(self, scorer: Scorer, request: pb.ScoreRequest) -> pb.ExplainResponse:
        limits = self._backend.limits
        rows = codec.rows_of(request, scorer, limits)
        if len(rows) > limits.max_explained_rows:
            raise RowsError(
                f"at most {limits.max_explained_rows} rows can be explained at a time, got {len(rows)}",
                "split the rows over several requests",
            )
        return codec.explain_response(explain(scorer, rows), scorer)


def _require_same_model(chunk: pb.ScoreRequest, names: tuple[str, str], versions: tuple[str, str]) -> None:
    """Raise RowsError where a chunk names another model than the one that answers the stream."""
    if chunk.model not in ("", *names) or chunk.model_version not in ("", *versions):
        raise RowsError(
            f"a stream has one model, {names[0]!r} in version {versions[0]!r}, got "
            f"{chunk.model[:MAX_COMPARED]!r} in version {chunk.model_version[:MAX_COMPARED]!r}",
            "open a stream for each model",
        )


def _of_chunk(index: int, error: AutomlADError) -> AutomlADError:
    """The same error, told of its chunk; a copy, because others may wait for the same one."""
    own = copy(error)
    own.message = f"chunk {index}: {error.message}"
    return own
