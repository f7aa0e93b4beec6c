"""Which candidates go into the output beside the anchors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automl_ad.results import Candidate

N_CHOSEN = 5
"""SELECTION 3: the five best with the anchors did better than any single pick, in both regimes."""


def choose_parts(ranked: Sequence[Candidate], anchors: Mapping[str, Candidate]) -> tuple[Candidate, ...]:
    """The best N_CHOSEN of the ranked candidates, best first, at most one per detector.

    Anchors are passed over: they are part of the output anyway. One per detector, for the score types and
    checkpoints of a detector rank side by side and would fill every place with the same opinion.
    """
    anchor_keys = {anchor.key for anchor in anchors.values()}
    chosen: dict[str, Candidate] = {}
    for candidate in ranked:
        if candidate.key not in anchor_keys:
            chosen.setdefault(candidate.detector, candidate)
    return tuple(chosen.values())[:N_CHOSEN]
