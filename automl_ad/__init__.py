"""Label-free search for anomaly detectors: `search`, and `Scorer` to use what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer as Scorer
    from automl_ad.searching import search as search

__all__ = ["Scorer", "search"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use, so that `automl-ad --help` stays instant."""
    if name == "search":
        from automl_ad.searching import search

        return search
    if name == "Scorer":
        from automl_ad.artifact import Scorer

        return Scorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
