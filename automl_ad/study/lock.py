"""One process at a time searches in a study folder."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import Self

from automl_ad.errors import StudyError

LOCK_FILE = "lock"


class FolderLock:
    """An exclusive lock on a folder. The kernel frees it when the process ends, however it ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock. StudyError names the process that has it."""
        # The file is never deleted: a third process could lock a file that has just lost its name.
        self._descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(self._descriptor, 200).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise StudyError(
                f"a study must be searched by one process at a time, got {folder} in use by {holder}",
                "wait until it has finished, or stop it",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def release(self) -> None:
        """Free the folder."""
        os.close(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
