"""A registry in an object store: a version is there once its manifest is, which is written last.

Nothing can lock an object store, and pyarrow offers no conditional write: change one model from one place at
a time. Reading needs no such care, since an object is replaced in one step.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from automl_ad.artifact.manifest import MANIFEST, MAX_MANIFEST_BYTES, parse_manifest
from automl_ad.artifact.registry.errors import RegistryError
from automl_ad.artifact.registry.names import is_name, is_version
from automl_ad.artifact.registry.records import MAX_ALIASES_BYTES, VersionRecord
from automl_ad.artifact.registry.refusals import FILL_IT
from automl_ad.artifact.registry.storage import ALIASES, VERSIONS
from automl_ad.errors import ArtifactError


class ObjectStorage:
    """Storage below `root` on any filesystem of pyarrow; `shown` and `options` are what a person calls it."""

    def __init__(self, filesystem: Any, root: str, *, shown: str, options: str = "") -> None:
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        self._shown = shown.rstrip("/")
        self._options = options

    def place(self, *steps: str) -> str:
        """What a person calls the registry, or something in it."""
        return "/".join((self._shown, *steps)) if steps else self._shown + self._options

    def names(self) -> Sequence[str]:
        """The models that have a version, sorted."""
        names = {name for name, _record in self._manifests()}
        if not names:
            self._require_there()
        return sorted(names)

    def versions(self, name: str) -> Sequence[VersionRecord]:
        """Complete versions, the newest last."""
        return sorted(
            (record for _name, record in self._manifests(name)),
            key=lambda record: (record.registered, record.version),
        )

    def read_aliases(self, name: str) -> bytes | None:
        """The content of aliases.json; None without one."""
        return self._read(name, ALIASES, max_bytes=MAX_ALIASES_BYTES)

    def write_aliases(self, name: str, content: bytes) -> None:
        """Replace aliases.json in one step."""
        self._write(name, ALIASES, content=content)

    @contextmanager
    def changing(self, _name: str, /) -> Iterator[None]:
        """Keeps nobody away: see the first lines of this file."""
        yield

    def put(self, name: str, version: str, files: Iterable[tuple[str, bytes]]) -> None:
        """A new version; what a killed writer has left of it is overwritten."""
        for file, content in files:
            self._write(name, VERSIONS, version, file, content=content)

    @contextmanager
    def folder(self, name: str, version: str) -> Iterator[Path]:
        """A private copy of the files that the manifest lists, no file larger than it says."""
        with tempfile.TemporaryDirectory(prefix="automl-ad-") as temporary:
            folder = Path(temporary)
            try:
                self._download(name, version, folder)
                yield folder
            except ArtifactError as error:
                place = self.place(name, VERSIONS, version)
                raise ArtifactError(
                    error.message.replace(temporary, place), error.hint.replace(temporary, place)
                ) from error

    def require_writable(self, _name: str, /) -> None:
        """Write something small and take it away again."""
        probe = f".probe-{secrets.token_hex(4)}"
        self._write(probe, content=b"")
        with suppress(OSError):  # whoever may write may still be denied to delete
            self._filesystem.delete_file(self._path(probe))

    def _download(self, name: str, version: str, folder: Path) -> None:
        content = self._required(name, version, MANIFEST, max_bytes=MAX_MANIFEST_BYTES)
        (folder / MANIFEST).write_bytes(content)
        for file, record in parse_manifest(content, folder / MANIFEST).files.items():
            content = self._required(name, version, file, max_bytes=record.size_bytes)
            (folder / file).write_bytes(content)

    def _required(self, name: str, version: str, file: str, *, max_bytes: int) -> bytes:
        content = self._read(name, VERSIONS, version, file, max_bytes=max_bytes)
        if content is None:
            place = self.place(name, VERSIONS, version, file)
            raise ArtifactError(f"{place}: must exist, got no such object", "add the version again")
        return content

    def _read(self, *steps: str, max_bytes: int) -> bytes | None:
        with self._reaching(*steps):
            info = self._filesystem.get_file_info(self._path(*steps))
            if info.type == pafs.FileType.NotFound:
                return None
            if info.type != pafs.FileType.File:
                raise RegistryError(f"{self.place(*steps)}: must be a file, got a folder")
            with self._filesystem.open_input_stream(self._path(*steps)) as stream:
                # Not as much as `info` says: the object may have been replaced by a longer one since.
                content: bytes = stream.read(max_bytes + 1)
        if len(content) > max_bytes:
            raise RegistryError(f"{self.place(*steps)}: must have at most {max_bytes} bytes, got more")
        return content

    def _write(self, *steps: str, content: bytes) -> None:
        with self._reaching(*steps):
            self._filesystem.create_dir(self._path(*steps[:-1]), recursive=True)
            with self._filesystem.open_output_stream(self._path(*steps)) as stream:
                stream.write(content)

    def _manifests(self, *steps: str) -> list[tuple[str, VersionRecord]]:
        """Of all versions below: one request for a thousand objects, where walking would take hundreds."""
        selector = pafs.FileSelector(self._path(*steps), recursive=True, allow_not_found=True)
        with self._reaching(*steps):
            infos = self._filesystem.get_file_info(selector)
        return [found for found in map(self._manifest, infos) if found is not None]

    def _manifest(self, info: Any) -> tuple[str, VersionRecord] | None:
        """Name and version, if the object is the manifest of a version."""
        steps = info.path.removeprefix(self._root + "/").split("/")
        if info.type != pafs.FileType.File or len(steps) != 4 or steps[1::2] != [VERSIONS, MANIFEST]:
            return None
        if not is_name(steps[0]) or not is_version(steps[2]):
            return None
        return steps[0], VersionRecord(version=steps[2], registered=info.mtime)

    def _require_there(self) -> None:
        with self._reaching():
            kind = self._filesystem.get_file_info(self._root).type
        if kind == pafs.FileType.NotFound:
            raise RegistryError(
                f"{self.place()}: must exist, got nothing there",
                FILL_IT,
            )

    def _path(self, *steps: str) -> str:
        return "/".join((self._root, *steps))

    @contextmanager
    def _reaching(self, *steps: str) -> Iterator[None]:
        """What pyarrow raises becomes a RegistryError that names the object."""
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise RegistryError(
                f"{self.place(*steps)}: must be usable, got: {reason}",
                "check the address, the credentials and the bucket's permissions",
            ) from error
