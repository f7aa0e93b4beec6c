"""Unknown names: the hint with the nearest known one, and the error that carries it."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

from automl_ad.errors import SpaceError


def near_match(name: str, known: Collection[str]) -> str:
    """A hint that names what was probably meant.

    >>> near_match("isolation_forst", ["knn", "isolation_forest"])
    "did you mean 'isolation_forest'?"
    >>> near_match("zebra", ["knn", "pca"])
    'known names: knn, pca'
    """
    if matches := get_close_matches(name, known, n=1):
        return f"did you mean '{matches[0]}'?"
    return f"known names: {', '.join(known)}" if known else ""


def check_known(what: str, name: str, known: Collection[str], *, file: str = "") -> None:
    """Raise SpaceError with the nearest known name unless `name` is known."""
    if name not in known:
        where = f" in {file}" if file else ""
        raise SpaceError(f"every {what} must be known{where}, got '{name}'", near_match(name, known))
