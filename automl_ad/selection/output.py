"""Which candidates go into the output, and which anchors join them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from automl_ad.config import SelectionConfig
from automl_ad.results import Candidate

COMPANIONS = ("isolation_forest", "knn")
"""The anchors that join every output; all anchors where neither is there. SELECTION 3A: the five best with
these two did better than any single pick, in both regimes. With all five anchors it is closer to their
average, and lower on contaminated public tables (.879 against .884, BENCHMARKS)."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Output:
    """The parts of an output, equally weighted."""

    chosen: tuple[Candidate, ...]
    """By their rank, best first."""
    anchors: tuple[Candidate, ...] = ()
    """Beside them, whatever their rank."""

    @property
    def parts(self) -> tuple[Candidate, ...]:
        """All of them."""
        return (*self.chosen, *self.anchors)


def choose_output(
    ranked: Sequence[Candidate], anchors: Mapping[str, Candidate], config: SelectionConfig
) -> Output:
    """The best `n_parts` of the ranked candidates, at most `max_per_detector` of each, and the companions.

    These are passed over in the ranking: they are part of the output anyway. Without `with_anchors` they may
    be chosen like any other.
    """
    companions = [anchors[name] for name in COMPANIONS if name in anchors]
    beside = tuple(companions or anchors.values()) if config.with_anchors else ()
    keys_beside = {anchor.key for anchor in beside}
    n_taken: Counter[str] = Counter()
    chosen = []
    for candidate in ranked:
        if candidate.key not in keys_beside and n_taken[candidate.detector] < config.max_per_detector:
            n_taken[candidate.detector] += 1
            chosen.append(candidate)
    return Output(chosen=tuple(chosen[: config.n_parts]), anchors=beside)
