"""From finished trials to what is shipped: veto, rank, choose, compare with the anchors, explain."""

from __future__ import annotations

from automl_ad.selection.select import select

__all__ = ["select"]
