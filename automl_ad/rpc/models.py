"""The models of one server: found by name and version, the only one by no name at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_ad.errors import AutomlADError, ConfigError, did_you_mean

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer

MIB = 1024 * 1024


class UnknownModel(AutomlADError, LookupError):
    """No model of that name or version is served (gRPC: NOT_FOUND)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one request may be at most."""

    max_message_bytes: int = 64 * MIB
    max_rows: int = 65_536
    """50 MiB of 100 double features. Bounds the time of one request, which nothing can interrupt."""


class Models:
    """The scorers of a server, fixed at start."""

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

    def __iter__(self) -> Iterator[Scorer]:
        """Sorted by name."""
        return iter(self._by_name.values())

    def find(self, name: str, version: str) -> Scorer:
        """The model of that name and version; empty strings leave the choice to the server.

        Raises UnknownModel with what there is.
        """
        scorer = self._named(name)
        if version not in ("", scorer.version):
            raise UnknownModel(
                f"model {scorer.name!r} is served in version {scorer.version!r}, got version {version!r}",
                "leave the version empty to take the one that is served",
            )
        return scorer

    def _named(self, name: str) -> Scorer:
        if not name and len(self._by_name) == 1:
            return next(iter(self._by_name.values()))
        if not name:
            raise UnknownModel("a request must name a model where several are served", self._served())
        if name not in self._by_name:
            raise UnknownModel(f"no model is called {name!r}", did_you_mean(name, self._by_name))
        return self._by_name[name]

    def _served(self) -> str:
        return "served: " + ", ".join(self._by_name)
