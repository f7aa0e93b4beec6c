"""Reading files nobody vouches for, and publishing a folder as one step."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_ad.artifact.manifest import EXPORT_AGAIN, MANIFEST, FileRecord
from automl_ad.errors import ArtifactError

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""No link is followed, and no pipe can hang the reader."""


def read_file(folder: Path, name: str, max_bytes: int) -> bytes:
    """The whole content of a regular file of at most `max_bytes`.

    Links, pipes and devices are refused without being read. Raises ArtifactError.
    """
    try:
        descriptor = os.open(folder / name, READ_FLAGS)
    except OSError as error:
        raise ArtifactError(f"{folder / name}: {_why_not_opened(error)}", _hint(folder, name)) from error
    try:
        return read_regular(descriptor, folder / name, max_bytes)
    finally:
        os.close(descriptor)


def read_regular(descriptor: int, path: Path, max_bytes: int) -> bytes:
    """The whole content of what was opened with READ_FLAGS, if it is a regular file. Raises ArtifactError."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise ArtifactError(f"{path}: must be a regular file", EXPORT_AGAIN)
    if status.st_size > max_bytes:
        raise ArtifactError(
            f"{path}: must have at most {max_bytes} bytes, got {status.st_size}", EXPORT_AGAIN
        )
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(max_bytes)


def read_recorded(folder: Path, name: str, record: FileRecord) -> bytes:
    """The content of a file, equal to what was exported. Raises ArtifactError."""
    content = read_file(folder, name, record.size_bytes)
    if len(content) < record.size_bytes:
        raise ArtifactError(
            f"{folder / name}: must have {record.size_bytes} bytes, got {len(content)}: it is truncated",
            EXPORT_AGAIN,
        )
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != record.sha256:
        raise ArtifactError(
            f"{folder / name}: SHA-256 must be {record.sha256}, got {sha256}: its content was changed",
            EXPORT_AGAIN,
        )
    return content


def write_file(folder: Path, name: str, content: bytes) -> FileRecord:
    """Write and sync a file; what the manifest says of it comes out."""
    with (folder / name).open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return FileRecord(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


@contextmanager
def published(path: Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write into; it takes the place of `path` when the block succeeds.

    An artifact already there is replaced by two renames: a reader sees the old one, the new one, or for
    an instant none, never a mixture. Anything else already there is refused with ArtifactError.
    """
    _require_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    staging = path.with_name(f".{path.name}.{token}.partial")
    staging.mkdir()
    try:
        yield staging
        _sync_folder(staging)
        _swap(staging, path, path.with_name(f".{path.name}.{token}.replaced"))
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _swap(staging: Path, path: Path, replaced: Path) -> None:
    if path.exists():
        path.rename(replaced)
    staging.rename(path)
    shutil.rmtree(replaced, ignore_errors=True)


def _require_replaceable(path: Path) -> None:
    is_free = not os.path.lexists(path)
    is_artifact = path.is_dir() and not path.is_symlink() and (path / MANIFEST).is_file()
    if not is_free and not is_artifact:
        raise ArtifactError(
            f"{path}: an artifact may only replace another artifact, got something else there",
            "choose another path, or remove what is there",
        )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _why_not_opened(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return "must exist, got no such file"
        case errno.ELOOP:
            return "must be a regular file, got a symbolic link"
        case errno.ENOTDIR:
            return "an artifact must be a folder, got a file"
    return f"must be readable, got: {error.strerror}"


def _hint(folder: Path, name: str) -> str:
    if name == MANIFEST:
        return f"give the path that `automl-ad search` printed last; {folder} is not a complete artifact"
    return EXPORT_AGAIN
