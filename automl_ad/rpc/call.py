"""One call, whichever host it came through: who calls, and what it turned out to be about."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from automl_ad.rpc.errors import Forbidden
from automl_ad.rpc.security.keys import ANYONE, Caller

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer


@dataclass(kw_only=True, slots=True)
class Call:
    """One call. The service notes what it was about as it finds out."""

    method: str
    """/package.Service/Method"""
    request_id: str
    peer: str = ""
    caller: Caller = field(default=ANYONE)
    model: str = ""
    version: str = ""
    n_rows: int = 0

    def require(self, model: str) -> None:
        """Raise Forbidden unless the caller may use the model. Says the same of models that do not exist."""
        if not self.caller.may_use(model):
            raise Forbidden(
                f"{self.caller.name!r} may not use model {model!r}", "ask for a token of this model"
            )

    def found(self, scorer: Scorer) -> None:
        """Note which model answers. Raises Forbidden."""
        self.require(scorer.name)
        self.model, self.version = scorer.name, scorer.version
