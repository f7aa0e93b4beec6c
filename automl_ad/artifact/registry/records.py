"""What a registry knows of a model: its versions, and the aliases as they stand in aliases.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from automl_ad.artifact.manifest import first_rule
from automl_ad.artifact.registry.errors import RegistryError
from automl_ad.artifact.registry.names import VERSION_PATTERN, is_alias
from automl_ad.errors import listing

MAX_PREVIOUS = 20
"""How often one can roll back in a row."""
MAX_ALIASES = 64
MAX_ALIASES_BYTES = 2**20
"""64 aliases with their histories take about 40 KiB."""


def _known_as_alias(text: str) -> str:
    if not is_alias(text):
        raise ValueError("an alias must be a lower-case word")
    return text


Version = Annotated[str, Field(pattern=VERSION_PATTERN)]
Alias = Annotated[str, AfterValidator(_known_as_alias)]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class AliasRecord(_Record):
    """The version that an alias stands for."""

    version: Version
    since: AwareDatetime
    previous: Annotated[tuple[Version, ...], Field(max_length=MAX_PREVIOUS)] = ()
    """Versions that it stood for before, the last one last."""


class Aliases(_Record):
    """The content of aliases.json."""

    schema_version: Literal[1] = 1
    aliases: Annotated[dict[Alias, AliasRecord], Field(max_length=MAX_ALIASES)] = {}

    def moved(self, alias: str, version: str) -> Aliases:
        """The alias stands for the version; the one before it is remembered."""
        old = self.aliases.get(alias)
        if old is not None and old.version == version:
            return self
        previous = () if old is None else (*old.previous, old.version)[-MAX_PREVIOUS:]
        return self._with(alias, version, previous)

    def moved_back(self, alias: str) -> Aliases:
        """The alias stands for the version before; the one that it leaves is forgotten."""
        previous = self.aliases[alias].previous
        return self._with(alias, previous[-1], previous[:-1])

    def _with(self, alias: str, version: str, previous: tuple[str, ...]) -> Aliases:
        if len(self.aliases.keys() | {alias}) > MAX_ALIASES:
            raise RegistryError(
                f"a model must have at most {MAX_ALIASES} aliases, got {alias!r} as one more",
                f"move one of: {listing(sorted(self.aliases))}",
            )
        record = AliasRecord(version=version, since=datetime.now(UTC), previous=previous)
        return Aliases(aliases={**self.aliases, alias: record})


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRecord:
    """A version of a model."""

    version: str
    registered: datetime
    """When its manifest was written into the registry."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryEntry:
    """A model of a registry."""

    name: str
    versions: tuple[VersionRecord, ...]
    """The newest last."""
    aliases: Mapping[str, AliasRecord]

    def aliases_of(self, version: str) -> list[str]:
        """The aliases that stand for the version, in alphabetical order."""
        return sorted(alias for alias, record in self.aliases.items() if record.version == version)


def parse_aliases(content: bytes | None, place: str) -> Aliases:
    """The aliases in the bytes of the file at `place`; no file, no aliases. Raises RegistryError."""
    if content is None:
        return Aliases()
    try:
        return Aliases.model_validate_json(content)
    except ValidationError as error:
        raise RegistryError(
            f"{place}: {first_rule(error)}",
            "the file is damaged or was edited: remove it, then promote the version to be served",
        ) from error
