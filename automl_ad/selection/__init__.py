"""From finished trials to what is shipped: veto, rank, choose, compare with the anchors, explain."""

from __future__ import annotations

from automl_ad.selection.ranking import rank_pool
from automl_ad.selection.select import select
from automl_ad.selection.voters import require_known

__all__ = ["rank_pool", "require_known", "select"]
