"""The seam between what a registry means and where its files lie.

    NAME/aliases.json                     which version an alias stands for
    NAME/versions/VERSION/manifest.json   and the other files of the artifact

Whoever calls has checked names and versions (see `names`). Every method raises RegistryError with the place.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from automl_ad.artifact.registry.records import VersionRecord

ALIASES = "aliases.json"
VERSIONS = "versions"


class Storage(Protocol):
    """Where models are kept. Holds nothing open between calls, so that threads may share it."""

    def place(self, *steps: str) -> str:
        """What a person calls the registry, or something in it."""

    def names(self) -> Sequence[str]:
        """The models that have a version, sorted; links and what is not called like a model are no models."""

    def versions(self, name: str) -> Sequence[VersionRecord]:
        """Complete versions, the newest last; empty for a model that is not there."""

    def read_aliases(self, name: str) -> bytes | None:
        """The content of aliases.json; None without one."""

    def write_aliases(self, name: str, content: bytes) -> None:
        """Replace aliases.json in one step. Call it while `changing`."""

    def changing(self, name: str, /) -> AbstractContextManager[None]:
        """Keeps others from changing the model meanwhile, as far as the storage can."""

    def put(self, name: str, version: str, files: Iterable[tuple[str, bytes]]) -> None:
        """A new version of these files, the manifest last: whole or not there. Call it while `changing`."""

    def folder(self, name: str, version: str) -> AbstractContextManager[Path]:
        """A folder that holds the version's files while the block runs."""

    def require_writable(self, name: str, /) -> None:
        """Write something small and take it away again."""
