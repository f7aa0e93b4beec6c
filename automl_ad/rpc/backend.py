"""What both servicers stand on: models, the engine that scores, and what a request may be at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_ad.rpc.call import Call
from automl_ad.rpc.engine import Engine, Request, Response
from automl_ad.rpc.errors import UnknownModel
from automl_ad.rpc.models import Models
from automl_ad.rpc.options import Limits
from automl_ad.rpc.wire.rows import Rows

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.results import AnomalyScores


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """Belongs to the event loop of its engine."""

    models: Models
    engine: Engine
    limits: Limits

    async def scorer(self, name: str, version: str, call: Call) -> Scorer:
        """The model that a request means. Raises UnknownModel, BrokenModel, and Forbidden."""
        if call.caller.models is not None:  # such a caller names its model, and learns no other's name
            if not name:
                raise UnknownModel("a request must name a model", "ListModels says which")
            call.require(name)
        try:
            scorer = self.models.find(name, version) or await self.models.load(name, version)
        except UnknownModel as error:
            if call.caller.models is None:
                raise
            raise UnknownModel(error.message) from None  # the hint may name models of others
        call.found(scorer)
        return scorer

    async def score(
        self,
        request: Request,
        call: Call,
        *,
        model: tuple[str, str],
        decode: Callable[[Request, Scorer, Limits], Rows],
        encode: Callable[[AnomalyScores], Response],
    ) -> Response:
        """The answer to one request of rows. Raises Overloaded, RowsError, and what `scorer` raises."""
        with self.engine.gate.entered():
            scorer = await self.scorer(*model, call)
            return await self.engine.score(scorer, request, call, decode=decode, encode=encode)
