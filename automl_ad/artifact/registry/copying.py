"""The files of an artifact on their way into a registry: those that its manifest lists, byte by byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from automl_ad.artifact.folder import read_file, read_recorded
from automl_ad.artifact.manifest import MANIFEST, MAX_MANIFEST_BYTES, parse_manifest
from automl_ad.errors import ArtifactError


def files_of(artifact: Path, version: str) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file, checked against the manifest, and last the manifest itself, as it is.

    Raises ArtifactError, also when it is no longer the version that was checked.
    """
    content = read_file(artifact, MANIFEST, MAX_MANIFEST_BYTES)
    manifest = parse_manifest(content, artifact / MANIFEST)
    if manifest.version != version:
        raise ArtifactError(
            f"{artifact}: must not change while it is added, got version {manifest.version} after {version}",
            "add it once it is complete",
        )
    for name, record in manifest.files.items():
        yield name, read_recorded(artifact, name, record)
    yield MANIFEST, content
