"""automl_ad.rpc.v1.ScoringService over the scorers: decode, score, encode."""

from __future__ import annotations

from typing import Any

from automl_ad.rpc import codec
from automl_ad.rpc.models import Limits, Models
from automl_ad.rpc.v1 import scoring_pb2 as pb
from automl_ad.rpc.v1 import scoring_pb2_grpc
from automl_ad.rpc.workers import Workers


class ScoringServicer(scoring_pb2_grpc.ScoringServiceServicer):
    """Raises AutomlADError; the host turns it into a status."""

    def __init__(self, models: Models, limits: Limits, workers: Workers) -> None:
        self._models = models
        self._max_rows = limits.max_rows
        self._workers = workers

    async def Score(self, request: pb.ScoreRequest, context: Any) -> pb.ScoreResponse:
        """Scores every row of the request."""
        del context
        return await self._workers.run(self._score, request)

    async def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        """Lists the models with what they expect."""
        del request, context
        return pb.ListModelsResponse(
            models=[codec.model_of(scorer, self._max_rows) for scorer in self._models]
        )

    def _score(self, request: pb.ScoreRequest) -> pb.ScoreResponse:
        scorer = self._models.find(request.model, request.model_version)
        return codec.score_response(scorer.score(codec.rows_of(request, scorer.schema, self._max_rows)))
