"""What the system refuses, in a sentence that names the path and the way out."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_ad.artifact.registry.errors import RegistryError

FILL_IT = "name another registry, or fill this one with `automl-ad registry add NAME ARTIFACT`"
NO_LINKS = "put the files themselves there: a registry follows no links"
_HINTS = {
    errno.ENOENT: FILL_IT,
    errno.ELOOP: NO_LINKS,
    errno.ENOTDIR: NO_LINKS,
    errno.ENOTEMPTY: "remove it, then add the artifact again",
    errno.EACCES: "give this user permission, or name another registry",
    errno.EROFS: "name a registry that can be written",
    errno.ENOSPC: "free some space; nothing that was there has changed",
}


@contextmanager
def reaching(path: Path) -> Iterator[None]:
    """What the system refuses becomes a RegistryError that names the path."""
    try:
        yield
    except OSError as error:
        raise RegistryError(f"{path}: {_why(error)}", _HINTS.get(error.errno or 0, "")) from error


def _why(error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            return "must exist, got nothing there"
        case errno.ELOOP:
            return "must be no symbolic link, got one"
        case errno.ENOTDIR:
            return "must be a folder, got something else or a symbolic link"
        case errno.ENOTEMPTY:
            return "must not be there yet, got a folder that is not complete"
    return f"must be usable, got: {error.strerror}"
