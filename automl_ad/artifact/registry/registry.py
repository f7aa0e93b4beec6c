"""Adding, choosing and loading versions of models.

The life of a version: `add` makes it canary, `promote` champion, `rollback` returns to the champion before.
Whatever becomes champion has been loaded first, so that its golden rows have matched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

from automl_ad.artifact.registry.copying import files_of
from automl_ad.artifact.registry.errors import UnknownName, UnknownVersion
from automl_ad.artifact.registry.names import (
    CANARY,
    CHAMPION,
    require_alias,
    require_name,
)
from automl_ad.artifact.registry.opening import storage_of
from automl_ad.artifact.registry.records import Aliases, AliasRecord, RegistryEntry, parse_aliases
from automl_ad.artifact.registry.storage import ALIASES, VERSIONS, Storage
from automl_ad.artifact.scorer import Scorer
from automl_ad.errors import ArtifactError, did_you_mean


class Registry:
    """Models by name. Threads may share it: it holds no open files and nothing that it has read."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    @classmethod
    def open(cls, location: str | Path) -> Self:
        """The registry in a folder or at a URI of pyarrow.fs (s3://bucket/prefix).

        Nothing is read or made yet: `add` makes the folder. Raises RegistryError.
        """
        return cls(storage_of(location))

    @property
    def location(self) -> str:
        """Where it is, as it may be printed: without keys."""
        return self._storage.place()

    def names(self) -> list[str]:
        """The models, sorted. Raises RegistryError when there is no registry."""
        return list(self._storage.names())

    def entry(self, name: str) -> RegistryEntry:
        """Versions and aliases of a model. Raises UnknownName, and RegistryError for a damaged one."""
        require_name(name)
        versions = tuple(self._storage.versions(name))
        if not versions:
            raise UnknownName(
                f"{self._storage.place()} has no model {name!r}", did_you_mean(name, self._storage.names())
            )
        return RegistryEntry(name=name, versions=versions, aliases=self._aliases(name).aliases)

    def resolve(self, name: str, reference: str = "") -> str:
        """The version that a reference means: nothing is the champion, an alias, or a version itself.

        Raises UnknownName and UnknownVersion.
        """
        entry = self.entry(name)
        wanted = reference or CHAMPION
        if wanted in entry.aliases:
            return entry.aliases[wanted].version
        known = [record.version for record in entry.versions]
        if wanted in known:
            return wanted
        raise UnknownVersion(
            f"model {name!r} has no version or alias {wanted[:60]!a}",
            did_you_mean(wanted, [*entry.aliases, *known]),
        )

    def add(self, name: str, artifact: Path, *, alias: str | None = None) -> str:
        """The version under which the artifact is now registered, checked by loading it.

        Only the files that its manifest lists are copied, byte by byte. Without `alias`, a model's first
        version becomes champion, because a model that nobody can ask for is of no use; a later one becomes
        canary, because only a decision may replace what is being served. Adding again what an alias stands
        for changes nothing, so that a command can be repeated. Raises ArtifactError and RegistryError.
        """
        require_name(name)
        if alias is not None:
            require_alias(alias)
        version = Scorer.load(artifact).version
        with self._storage.changing(name):
            aliases = self._aliases(name)
            after = aliases.moved(alias or _next_alias(aliases, version), version)
            if any(record.version == version for record in self._storage.versions(name)):
                self._require_whole(name, version)
            else:
                self._storage.put(name, version, files_of(artifact, version))
            self._keep(name, aliases, after)
        return version

    def promote(self, name: str, reference: str = CANARY, *, alias: str = CHAMPION) -> AliasRecord:
        """The alias, standing for the version that `reference` means, which has been loaded first.

        The canary stays where it is, so that its callers are answered until there is a new one. Raises
        UnknownName, UnknownVersion, and ArtifactError when the version is broken: nothing changes then.
        """
        require_alias(alias)
        self.resolve(name, reference)  # before a lock makes a folder for a model that is not there
        with self._storage.changing(name):
            version = self.resolve(name, reference)
            self.load(name, version)
            aliases = self._aliases(name)
            after = aliases.moved(alias, version)
            self._keep(name, aliases, after)
        return after.aliases[alias]

    def rollback(self, name: str, *, alias: str = CHAMPION) -> AliasRecord:
        """The alias, standing again for the version before, which has been loaded first.

        Repeat it to go back further. Raises UnknownName, UnknownVersion when there is nothing to go back
        to, and ArtifactError when the version before is broken: nothing changes then.
        """
        require_alias(alias)
        self.entry(name)
        with self._storage.changing(name):
            aliases = self._aliases(name)
            self.load(name, _version_before(aliases, name, alias))
            after = aliases.moved_back(alias)
            self._keep(name, aliases, after)
        return after.aliases[alias]

    def load(self, name: str, version: str, *, device: str = "cpu") -> Scorer:
        """The version, or the one that an alias means, ready to score; every check of an artifact is made.

        Its name is the registry's, whatever the manifest says. Raises UnknownName, UnknownVersion,
        ArtifactError, and ConfigError for an unknown device.
        """
        version = self.resolve(name, version)
        with self._storage.folder(name, version) as folder:
            scorer = Scorer.load(folder, device=device, name=name)
        if scorer.version != version:
            raise ArtifactError(
                f"{self._storage.place(name, VERSIONS, version)}: must hold version {version}, "
                f"got {scorer.version}",
                "somebody has exchanged its files: add the version again",
            )
        return scorer

    def require_writable(self, name: str) -> None:
        """Raise RegistryError when a model of that name could not be added, for its name or the storage."""
        require_name(name)
        self._storage.require_writable(name)

    def _aliases(self, name: str) -> Aliases:
        return parse_aliases(self._storage.read_aliases(name), self._storage.place(name, ALIASES))

    def _keep(self, name: str, before: Aliases, after: Aliases) -> None:
        if after is not before:
            self._storage.write_aliases(name, after.model_dump_json(indent=2).encode())

    def _require_whole(self, name: str, version: str) -> None:
        """Raise ArtifactError when what is registered under the version has been damaged since."""
        try:
            self.load(name, version)
        except ArtifactError as error:
            place = self._storage.place(name, VERSIONS, version)
            raise ArtifactError(error.message, f"remove {place}, then add the artifact again") from error


def _next_alias(aliases: Aliases, version: str) -> str:
    """The alias of a version added without one; one that has an alias keeps it."""
    for alias, record in aliases.aliases.items():
        if record.version == version:
            return alias
    return CANARY if CHAMPION in aliases.aliases else CHAMPION


def _version_before(aliases: Aliases, name: str, alias: str) -> str:
    record = aliases.aliases.get(alias)
    if record is None:
        raise UnknownVersion(f"model {name!r} has no alias {alias!r}", did_you_mean(alias, aliases.aliases))
    if not record.previous:
        raise UnknownVersion(
            f"{alias} of model {name!r} must have a version before {record.version}, got none",
            "choose one of `automl-ad registry list NAME`, and promote it",
        )
    return record.previous[-1]
