"""A folder held open: what is below is reached from it one step at a time, and no step follows a link.

The kernel walks from descriptors (openat, O_NOFOLLOW), so that nobody who exchanges a folder for a link
meanwhile can lead a reader or a writer out of the registry.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from automl_ad.artifact.folder import READ_FLAGS, read_regular
from automl_ad.artifact.registry.refusals import reaching

PARTIAL = ".partial"
"""Ending of what is being written; nothing else may read it, and the next writer removes what was left."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class SafeFolder:
    """`path` is for messages only. Names given to it are single steps, never paths."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    @contextmanager
    def folder(self, name: str, *, create: bool = False) -> Iterator[SafeFolder]:
        """The folder of that name. Raises RegistryError for a link, a file, or nothing."""
        with reaching(self.path / name):
            if create:
                self._make_folder(name)
            descriptor = os.open(_step(name), _FOLDER_FLAGS, dir_fd=self._descriptor)
        try:
            yield SafeFolder(descriptor, self.path / name)
        finally:
            os.close(descriptor)

    def names(self) -> list[str]:
        """What is in the folder, sorted."""
        with reaching(self.path), os.scandir(self._descriptor) as entries:
            return sorted(entry.name for entry in entries)

    def has_folder(self, name: str) -> bool:
        """Whether there is a folder of that name; a link is none."""
        status = self.status(name)
        return status is not None and stat.S_ISDIR(status.st_mode)

    def status(self, name: str) -> os.stat_result | None:
        """What the system says of it, or of the link that it is; None when it is not there."""
        with reaching(self.path / name), suppress(FileNotFoundError):
            return os.stat(_step(name), dir_fd=self._descriptor, follow_symlinks=False)
        return None

    def read(self, name: str, max_bytes: int) -> bytes | None:
        """The content of a regular file; None when it is not there.

        Raises RegistryError and ArtifactError.
        """
        if self.status(name) is None:
            return None
        with reaching(self.path / name):
            descriptor = os.open(_step(name), READ_FLAGS, dir_fd=self._descriptor)
        try:
            return read_regular(descriptor, self.path / name, max_bytes)
        finally:
            os.close(descriptor)

    def write(self, name: str, content: bytes) -> None:
        """A new file, forced to disk."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with reaching(self.path / name):
            descriptor = os.open(_step(name), flags, 0o666, dir_fd=self._descriptor)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

    def replace(self, name: str, content: bytes) -> None:
        """The file has this content, in one step: written beside, forced to disk, renamed."""
        partial = partial_name(name)
        self.write(partial, content)
        self.rename(partial, name)

    def rename(self, old: str, new: str) -> None:
        """Give something its last name, and force the name to disk."""
        with reaching(self.path / new):
            os.rename(_step(old), _step(new), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        self.sync()

    def remove(self, name: str) -> None:
        """Remove a file, if it is still there."""
        with reaching(self.path / name), suppress(FileNotFoundError):
            os.unlink(_step(name), dir_fd=self._descriptor)

    def sync(self) -> None:
        """Force the names in the folder to disk."""
        with reaching(self.path):
            os.fsync(self._descriptor)

    def remove_partials(self) -> None:
        """Remove what writers left that were killed. Only for whoever holds the lock."""
        for name in self.names():
            if name.endswith(PARTIAL):
                shutil.rmtree(name, ignore_errors=True, dir_fd=self._descriptor)
                with suppress(OSError):
                    os.unlink(name, dir_fd=self._descriptor)

    def _make_folder(self, name: str) -> None:
        with suppress(FileExistsError):
            os.mkdir(_step(name), dir_fd=self._descriptor)
            self.sync()

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Wait until no other process or thread has the lock. The kernel frees it however its holder ends."""
        # Open for writing too: NFS makes of an exclusive flock a lock of bytes, which needs that (flock(2)).
        flags = os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        with reaching(self.path / name):
            descriptor = os.open(_step(name), flags, 0o666, dir_fd=self._descriptor)
        try:
            with reaching(self.path / name):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


@contextmanager
def opened(path: Path, *, create: bool = False) -> Iterator[SafeFolder]:
    """The folder at `path`, which may itself be reached through links: its owner has named it."""
    with reaching(path):
        if create:
            path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield SafeFolder(descriptor, path)
    finally:
        os.close(descriptor)


def partial_name(name: str) -> str:
    """A name of its own for what will be called `name`; it begins with a dot, as no model or version does."""
    return f".{name}.{secrets.token_hex(4)}{PARTIAL}"


def _step(name: str) -> str:
    if not name.strip(".") or {"/", "\0"} & set(name):  # no assert: `python -O` would open the door
        raise ValueError(f"a step must be the name of one folder or file, got {name!r}")
    return name
