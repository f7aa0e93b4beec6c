"""A registry in a folder: versions appear by a rename, aliases are replaced whole, writers take turns."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from automl_ad.artifact.manifest import MANIFEST
from automl_ad.artifact.registry.names import is_name, is_version
from automl_ad.artifact.registry.records import MAX_ALIASES_BYTES, VersionRecord
from automl_ad.artifact.registry.safe_folder import SafeFolder, opened, partial_name
from automl_ad.artifact.registry.storage import ALIASES, VERSIONS

LOCK = "lock"
"""Never deleted: a third writer could lock a file that has just lost its name."""


class LocalStorage:
    """Storage in the folder `root`, on a file system that knows `flock` and atomic renames."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def place(self, *steps: str) -> str:
        """What a person calls the registry, or something in it."""
        return str(self._root.joinpath(*steps))

    def names(self) -> Sequence[str]:
        """The models that have a version, sorted."""
        with opened(self._root) as root:
            return [name for name in root.names() if is_name(name) and _has_versions(root, name)]

    def versions(self, name: str) -> Sequence[VersionRecord]:
        """Complete versions, the newest last."""
        with opened(self._root) as root:
            if root.status(name) is None:
                return []
            with root.folder(name) as model:
                return _versions_of(model)

    def read_aliases(self, name: str) -> bytes | None:
        """The content of aliases.json; None without one."""
        with opened(self._root) as root, root.folder(name) as model:
            return model.read(ALIASES, MAX_ALIASES_BYTES)

    def write_aliases(self, name: str, content: bytes) -> None:
        """Replace aliases.json in one step."""
        with opened(self._root) as root, root.folder(name) as model:
            model.replace(ALIASES, content)

    @contextmanager
    def changing(self, name: str) -> Iterator[None]:
        """One process or thread at a time. What a killed one had not finished is removed."""
        with (
            opened(self._root, create=True) as root,
            root.folder(name, create=True) as model,
            model.lock(LOCK),
        ):
            model.remove_partials()
            yield

    def put(self, name: str, version: str, files: Iterable[tuple[str, bytes]]) -> None:
        """A new version: written beside, renamed when complete."""
        partial = partial_name(version)
        with self._versions(name, create=True) as versions:
            versions.remove_partials()
            with versions.folder(partial, create=True) as folder:
                for file, content in files:
                    folder.write(file, content)
                folder.sync()
            versions.rename(partial, version)

    @contextmanager
    def folder(self, name: str, version: str) -> Iterator[Path]:
        """The version where it lies.

        A loader reads it by path, and follows no link in the last step. Whoever exchanges folders between
        the check here and the reading gains nothing: another content has another version.
        """
        with self._versions(name) as versions, versions.folder(version) as folder:
            yield folder.path

    def require_writable(self, name: str) -> None:
        """Write something small and take it away again."""
        with self._nearest(name) as folder:
            probe = partial_name("probe")
            folder.write(probe, b"")
            folder.remove(probe)

    @contextmanager
    def _versions(self, name: str, *, create: bool = False) -> Iterator[SafeFolder]:
        with (
            opened(self._root) as root,
            root.folder(name) as model,
            model.folder(VERSIONS, create=create) as versions,
        ):
            yield versions

    @contextmanager
    def _nearest(self, name: str) -> Iterator[SafeFolder]:
        """The model's folder, or the registry's while the model has none."""
        with opened(self._root, create=True) as root:
            if root.status(name) is None:
                yield root
            else:
                with root.folder(name) as model:
                    yield model


def _has_versions(root: SafeFolder, name: str) -> bool:
    if not root.has_folder(name):
        return False
    with root.folder(name) as model:
        return model.has_folder(VERSIONS) and bool(_versions_of(model))


def _versions_of(model: SafeFolder) -> list[VersionRecord]:
    if model.status(VERSIONS) is None:
        return []
    with model.folder(VERSIONS) as versions:
        found = [_version(versions, name) for name in versions.names() if is_version(name)]
    return sorted((record for record in found if record is not None), key=_by_age)


def _version(versions: SafeFolder, version: str) -> VersionRecord | None:
    """The version, if it is a folder with a manifest."""
    if not versions.has_folder(version):
        return None
    with versions.folder(version) as folder:
        status = folder.status(MANIFEST)
    if status is None or not stat.S_ISREG(status.st_mode):
        return None
    return VersionRecord(version=version, registered=datetime.fromtimestamp(status.st_mtime, UTC))


def _by_age(record: VersionRecord) -> tuple[datetime, str]:
    return record.registered, record.version
