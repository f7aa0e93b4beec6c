"""What `automl-ad search --register NAME` adds: checked before the search, done after it."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from automl_ad.errors import AutomlADError, ConfigError

REGISTRY = "registry"
"""Where models are registered when nobody says where."""
RegistryOption = Annotated[
    str,
    typer.Option(
        "--registry", envvar="AUTOML_AD_REGISTRY", help="A folder or a URI such as s3://bucket/prefix."
    ),
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """What became of it: a version, or why there is none."""

    name: str
    registry: str
    version: str | None = None
    error: AutomlADError | None = None

    def document(self) -> dict[str, str | None]:
        """For the JSON document of a search."""
        message = None if self.error is None else self.error.message
        return {"name": self.name, "registry": self.registry, "version": self.version, "error": message}


def require_registrable(name: str, registry: str) -> None:
    """Raise ConfigError when the artifact could not be added: after an hour of searching it is too late."""
    from automl_ad.artifact.registry import Registry

    Registry.open(registry).require_writable(name)


def register(name: str, artifact: Path, registry: str) -> Registered:
    """The artifact is added. What fails is returned, so that the outcome of the search is still printed."""
    from automl_ad.artifact.registry import Registry

    opened = Registry.open(registry)
    try:
        version = opened.add(name, artifact)
        aliases = " and ".join(opened.entry(name).aliases_of(version))
    except AutomlADError as error:
        return Registered(
            name=name, registry=opened.location, error=_with_way_out(error, name, artifact, opened.location)
        )
    print(f"automl-ad: registered as {name}, version {version}, {aliases}", file=sys.stderr)
    return Registered(name=name, registry=opened.location, version=version)


def _with_way_out(error: AutomlADError, name: str, artifact: Path, location: str) -> AutomlADError:
    again = ["automl-ad", "registry", "add", name, str(artifact), "--registry", location]
    return ConfigError(
        f"the search has finished, but its artifact was not registered: {error.message}",
        f"put that right, then `{shlex.join(again)}`",
    )
