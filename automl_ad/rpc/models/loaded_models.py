"""The versions in memory: at most so many, the one unused for longest makes room, champions last."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer


class LoadedModels:
    """Scorers by name and version. Calls that use an evicted one finish with it."""

    def __init__(self, max_loaded: int, *, on_evicted: Callable[[str, str], None]) -> None:
        self._max = max_loaded
        self._on_evicted = on_evicted
        self._scorers: OrderedDict[tuple[str, str], Scorer] = OrderedDict()

    def get(self, name: str, version: str) -> Scorer | None:
        """The scorer, which is then the last to go; None if it is not here."""
        scorer = self._scorers.get((name, version))
        if scorer is not None:
            self._scorers.move_to_end((name, version))
        return scorer

    def drop(self, name: str) -> None:
        """Hold no version of the model any more."""
        for key in [key for key in self._scorers if key[0] == name]:
            del self._scorers[key]
            self._on_evicted(*key)

    def put(self, scorer: Scorer, *, keep: Callable[[Scorer], bool]) -> None:
        """Hold the scorer. Where there is no room, one goes: first of those that `keep` says false of."""
        self._scorers[scorer.name, scorer.version] = scorer
        while len(self._scorers) > self._max:
            others = list(self._scorers.values())[:-1]
            goes = next((other for other in others if not keep(other)), others[0])
            del self._scorers[goes.name, goes.version]
            self._on_evicted(goes.name, goes.version)
