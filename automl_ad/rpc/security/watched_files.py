"""Small files that may change while the service runs: looked at once a second, and never trusted blindly.

A file is replaced in place, by a rename, or by the link that Kubernetes turns to a new folder: all three
change what `stat` says of the path. Content that is refused never takes the place of content that works.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from automl_ad.errors import ConfigError

log = logging.getLogger(__name__)

T = TypeVar("T")
_Seen = tuple[tuple[int, int, int], ...]

MAX_BYTES = 1_048_576
"""Of one file: a thousand keys and a long chain of certificates fit several times."""
LOOK_S = 1.0
"""Between two looks; a `stat` takes microseconds, but a service may be asked thousands of times a second."""


class WatchedFiles(Generic[T]):
    """What `read` makes of the files, made again when one of them changed. Safe in any thread."""

    def __init__(
        self, paths: Sequence[Path], read: Callable[[], T], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Reads once. Raises what `read` raises, which is ConfigError for content that is no good."""
        self._paths = tuple(paths)
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._seen = _seen(self._paths)  # before reading: a change meanwhile is noticed by the next look
        self._refused: _Seen | None = None
        self._value = read()
        self._looked = clock()

    def current(self) -> T:
        """The newest value that could be read. One error is logged for each content that could not."""
        if self._clock() - self._looked >= LOOK_S and self._lock.acquire(blocking=False):
            try:
                self._looked = self._clock()
                self._look()
            finally:
                self._lock.release()
        return self._value

    def _look(self) -> None:
        seen = _seen(self._paths)
        if seen == self._seen:
            self._refused = None
            return
        try:
            self._value = self._read()
        except (ConfigError, OSError) as error:
            if seen != self._refused:  # else it is tried again in silence: the disk may have been the fault
                log.error("%s; what was read before stays in use", getattr(error, "message", error))
            self._refused = seen
        else:
            self._seen, self._refused = seen, None
            log.info("read again: %s", ", ".join(map(str, self._paths)))


def read_small(path: Path, what: str) -> bytes:
    """The content of the file. ConfigError says that it is `what` and that it is missing, or too large."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{what} {path} must be a readable file, got: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{what} {path} must have at most {MAX_BYTES} bytes, got more")
    return content


def warn_of_readers(path: Path, what: str) -> None:
    """Log a warning when everybody may read the file, or more than its owner may change it.

    Its group may read it: that is how Kubernetes hands a secret to a process that is not root.
    """
    mode = path.stat().st_mode & 0o777
    if mode & 0o026:
        log.warning(
            "%s %s should be closed to others, its mode is %o: `chmod 640 %s`", what, path, mode, path
        )


def _seen(paths: Sequence[Path]) -> _Seen:
    return tuple(_signature(path) for path in paths)


def _signature(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
