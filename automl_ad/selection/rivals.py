"""The output against one baseline row at a time, by figures that it cannot win by holding the anchors.

The criteria compare with the anchors and with the pool, and the output is made of both. So what judges is
`comparison`'s consensus gain, each judge without the parts of its own detector, and the AUC on
pseudo-anomalies. There is no tail gain: on the scale of surprise one row alone has a tail like any other.

Shapes: N panel rows, J judges, G generators, B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from automl_ad.criteria import Evidence
from automl_ad.criteria.ranks import unit_ranks, weighted_correlations
from automl_ad.results import Candidate
from automl_ad.selection.gains import Gain, beaten, mean_gain, mean_surprise, resamples, shared_generators

Float64Array = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]


def gains_over(
    parts: Sequence[Candidate], rivals: Sequence[int], evidence: Evidence, *, seed: int
) -> list[Mapping[str, Gain]]:
    """For each rival, a position in the pool, the `consensus` and `probe_auc` gains that can be measured."""
    counts_BN = resamples(evidence.scores_KN.shape[1], np.random.default_rng(seed))
    by_consensus = _consensus_gains(parts, rivals, evidence, counts_BN, seed)
    by_probes = _probe_gains(parts, rivals, evidence, counts_BN, seed)
    return [
        {name: gain for name, gain in (("consensus", consensus), ("probe_auc", probes)) if gain is not None}
        for consensus, probes in zip(by_consensus, by_probes, strict=True)
    ]


def _consensus_gains(
    parts: Sequence[Candidate],
    rivals: Sequence[int],
    evidence: Evidence,
    counts_BN: npt.NDArray[np.int64],
    seed: int,
) -> list[Gain | None]:
    """Mean over the judges of another detector than the rival's; None without any."""
    outputs = _outputs_without(parts, evidence)
    if not outputs:
        return [None] * len(rivals)
    outputs_JN = unit_ranks(np.stack(list(outputs.values())))
    judges_JN = unit_ranks(
        np.stack([evidence.unit_ranks_KN[evidence.detectors[name]].mean(axis=0) for name in outputs])
    )
    with_output_BJ = weighted_correlations(judges_JN, outputs_JN, counts_BN)
    gains: list[Gain | None] = []
    for rival in rivals:
        is_foreign_J = np.array([name != evidence.candidates[rival].detector for name in outputs])
        foreign_JN = judges_JN[is_foreign_J]
        rival_JN = np.broadcast_to(evidence.unit_ranks_KN[rival], foreign_JN.shape)
        gain_BJ = with_output_BJ[:, is_foreign_J] - weighted_correlations(foreign_JN, rival_JN, counts_BN)
        gains.append(mean_gain(gain_BJ, np.random.default_rng(seed)) if is_foreign_J.any() else None)
    return gains


def _outputs_without(parts: Sequence[Candidate], evidence: Evidence) -> dict[str, Float64Array]:
    """Judging detector -> [N] the output without its parts; judges who would leave nothing are missing."""
    by_part = [(part.detector, mean_surprise([part])) for part in parts]
    foreign = {
        judge: [surprise_N for detector, surprise_N in by_part if detector != judge]
        for judge in evidence.detectors
    }
    return {judge: np.asarray(np.mean(kept, axis=0)) for judge, kept in foreign.items() if kept}


def _probe_gains(
    parts: Sequence[Candidate],
    rivals: Sequence[int],
    evidence: Evidence,
    counts_BN: npt.NDArray[np.int64],
    seed: int,
) -> list[Gain | None]:
    """Mean over the generators that all parts and the rival have scored; None without any."""
    of_output = beaten(parts, shared_generators(parts))
    gains: list[Gain | None] = []
    for rival in (evidence.candidates[position] for position in rivals):
        of_rival = beaten([rival], [name for name in of_output if name in rival.probe_scores])
        gain_GN = [of_output[name] - share_N for name, share_N in of_rival.items()]
        if gain_GN:
            gain_B1 = counts_BN @ np.mean(gain_GN, axis=0)[:, None] / counts_BN.shape[1]
            gains.append(mean_gain(gain_B1, np.random.default_rng(seed)))
        else:
            gains.append(None)
    return gains
