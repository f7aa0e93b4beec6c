"""The models of one service: found by name and version, the only one by no name at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from automl_ad.errors import MAX_COMPARED, ConfigError, did_you_mean
from automl_ad.rpc.errors import UnknownModel

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.data import Schema


@dataclass(frozen=True, slots=True)
class ServedModel:
    """What a client must know of a model before it sends rows; small, where a scorer is not."""

    name: str
    version: str
    schema: Schema


class Models(Protocol):
    """What a service serves. `find` never waits, so that the usual call costs a look into a dict."""

    def find(self, name: str, version: str) -> Scorer | None:
        """The model if it is in memory; None: `load` must be asked. Empty strings leave the choice to it.

        Raises UnknownModel with what there is.
        """

    async def load(self, name: str, version: str) -> Scorer:
        """The model, brought into memory if need be. Raises UnknownModel and BrokenModel."""

    async def served(self, may_use: Callable[[str], bool]) -> Sequence[ServedModel]:
        """What is served to those who name no version, of the models one may use, sorted by name."""

    def aliases(self, scorer: Scorer) -> Sequence[str]:
        """Names of this version, such as `champion`."""

    async def start(self) -> None:
        """Make ready to serve, and follow changes from now on. Raises ConfigError and ArtifactError."""

    async def stop(self) -> None:
        """Follow no more changes."""


class FixedModels:
    """Scorers that were loaded before the service started."""

    def __init__(self, scorers: Iterable[Scorer]) -> None:
        """Raises ConfigError when there is none, or two of one name."""
        given = sorted(scorers, key=lambda scorer: scorer.name)
        self._by_name = {scorer.name: scorer for scorer in given}
        if not given:
            raise ConfigError("a server needs at least one model, got none")
        if len(self._by_name) < len(given):
            names = [scorer.name for scorer in given]
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"models of one server must have different names, got {twice!r} twice")

    def find(self, name: str, version: str) -> Scorer:
        """The model of that name and version. Raises UnknownModel."""
        scorer = self._by_name[the_name(name, self._by_name)]
        if version not in ("", scorer.version):
            raise UnknownModel(
                f"model {scorer.name!r} is served in version {scorer.version!r}, got version {version!r}",
                "leave the version empty to take the one that is served",
            )
        return scorer

    async def load(self, name: str, version: str) -> Scorer:
        """The same: all are in memory."""
        return self.find(name, version)

    async def served(self, may_use: Callable[[str], bool]) -> Sequence[ServedModel]:
        """All that may be used."""
        return [
            ServedModel(name, scorer.version, scorer.schema)
            for name, scorer in self._by_name.items()
            if may_use(name)
        ]

    def aliases(self, scorer: Scorer) -> Sequence[str]:
        """None: only a registry has aliases."""
        del scorer
        return ()

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do."""


def the_name(name: str, known: Iterable[str]) -> str:
    """The name of the model that a request means. Raises UnknownModel with what there is."""
    names = list(known)
    if name in names:
        return name
    if name:
        raise UnknownModel(f"no model is called {name[:MAX_COMPARED]!r}", did_you_mean(name, names))
    if len(names) == 1:
        return names[0]
    raise UnknownModel(
        "a request must name a model where several are served", "served: " + ", ".join(names[:20])
    )
