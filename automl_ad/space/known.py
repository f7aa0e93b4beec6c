"""The error for a name that a search space does not know."""

from __future__ import annotations

from collections.abc import Collection

from automl_ad.errors import SpaceError, did_you_mean


def check_known(what: str, name: str, known: Collection[str], *, file: str = "") -> None:
    """Raise SpaceError with the nearest known name unless `name` is known."""
    if name not in known:
        where = f" in {file}" if file else ""
        raise SpaceError(f"every {what} must be known{where}, got '{name}'", did_you_mean(name, known))
