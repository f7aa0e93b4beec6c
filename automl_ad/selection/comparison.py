"""Whether an output beats the average of the anchors by more than noise, without labels.

By the AUC of the panel's normal rows (`criteria.normal_rows`) on pseudo-anomalies, which can show it
directly: agreement with the anchors can never show that something beats them. On tables probe AUC has no
vote of its own on what is chosen; on images, or with `rank_by`, it may have, and the comparison then favours
the output. The output must be ahead by more than a bootstrap over panel rows leaves open, 5 % on one side.
Generators are not drawn again: they are what the figure means, and often one or two of them make all the
difference, which a draw may miss.

Where nobody scored pseudo-anomalies, two other figures must both speak for the output:

1. *Consensus gain*. Each detector of the pool is a judge: its candidates' mean order is compared with the
   output and with the anchors' average, both without the parts of the judge's own detector. If detectors
   err independently, whatever agrees better with a judge is closer to the truth they share (the argument
   of truth inference), and the mean gain over judges must be above zero.
2. *Tail gain*. The argument fails when many candidates share one mistake: they outvote the anchors. But a
   mean of surprises is sharp only where its parts are surprised by the same rows, so a clique that sees
   other rows than the anchors blunts the tail. Hence RTM and EAG of the output, on the same scale of
   surprise as the anchors' average, must not be below theirs. An output without the anchors is averaged with
   them for this: one part alone has the sharpest tail there is, whatever it sees. The tail alone would not
   do: parts that repeat the anchors sharpen nothing and reveal nothing.

An output that adds nothing but baseline rows to the anchors has found nothing and does not count.

Shapes: N panel rows, J judges, G generators, U units drawn (judges), B resamples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from automl_ad.criteria import tail_figures
from automl_ad.criteria.normal_rows import least_suspect
from automl_ad.criteria.ranks import unit_ranks, weighted_correlations
from automl_ad.results import Candidate
from automl_ad.selection.gains import (
    Gain,
    beaten,
    figures_of,
    mean_gain,
    mean_surprise,
    resamples,
    shared_generators,
)
from automl_ad.selection.output import Output
from automl_ad.selection.pool import Pool

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The gains, and what follows from them."""

    is_better: bool
    gains: Mapping[str, Gain] = field(default_factory=dict)
    """`probe_auc`, or `consensus` and `tail`; empty when there was nothing to compare."""

    def figures(self) -> dict[str, float]:
        """The gains as flat numbers, for `Selection.confidence`."""
        return figures_of(self.gains)


def compare(output: Output, pool: Pool, *, seed: int) -> Comparison:
    """The output against the anchors alone.

    Without anchors there is nothing to fall back to, and the output stands.
    """
    anchors, parts = tuple(pool.anchors.values()), output.parts
    if not anchors:
        return Comparison(is_better=True)
    if all(pool.origin(candidate) == "baseline" for candidate in output.chosen):
        return Comparison(is_better=False)
    rng = np.random.default_rng(seed)
    if generators := shared_generators((*parts, *anchors)):
        probe_gain = _probe_gain(parts, pool, generators, rng)
        return Comparison(is_better=probe_gain.low > 0, gains={"probe_auc": probe_gain})
    consensus = _consensus_gain(parts, anchors, pool, rng)
    tail = _tail_gain(_joined(output.chosen, anchors), anchors, rng)
    is_better = consensus.low > 0 and tail.high >= 0
    return Comparison(is_better=is_better, gains={"consensus": consensus, "tail": tail})


def _consensus_gain(
    output: Sequence[Candidate], anchors: Sequence[Candidate], pool: Pool, rng: np.random.Generator
) -> Gain:
    """Mean over judges of Spearman(judge, output) - Spearman(judge, anchors), own detector left out."""
    surprises = {part.key: mean_surprise([part]) for part in _joined(output, anchors)}
    judges, outputs, averages = [], [], []
    for detector, positions in pool.evidence.detectors.items():
        foreign, others = (
            [surprises[part.key] for part in parts if part.detector != detector]
            for parts in (output, anchors)
        )
        if foreign and others:
            judges.append(pool.evidence.unit_ranks_KN[positions].mean(axis=0))
            outputs.append(np.mean(foreign, axis=0))
            averages.append(np.mean(others, axis=0))
    if not judges:
        return Gain(value=0.0, low=0.0, high=0.0)
    judges_JN, outputs_JN, averages_JN = (unit_ranks(np.stack(each)) for each in (judges, outputs, averages))
    counts_BN = resamples(judges_JN.shape[1], rng)
    with_output_BJ, with_anchors_BJ = (
        weighted_correlations(judges_JN, each_JN, counts_BN) for each_JN in (outputs_JN, averages_JN)
    )
    return mean_gain(with_output_BJ - with_anchors_BJ, rng)


def _tail_gain(output: Sequence[Candidate], anchors: Sequence[Candidate], rng: np.random.Generator) -> Gain:
    """Mean log ratio of RTM and EAG, output over anchors."""
    surprise_2N = np.stack([mean_surprise(output), mean_surprise(anchors)])
    counts_BN = resamples(surprise_2N.shape[1], rng)
    figures_BF2 = np.array([tail_figures(np.repeat(surprise_2N, counts, axis=1)) for counts in counts_BN])
    logs_BF2 = np.log(np.maximum(figures_BF2, np.finfo(np.float64).tiny))
    return mean_gain((logs_BF2[..., 0] - logs_BF2[..., 1]).mean(axis=1, keepdims=True), rng)


def _joined(chosen: Sequence[Candidate], anchors: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The chosen with all anchors, none twice."""
    return tuple({part.key: part for part in (*chosen, *anchors)}.values())


def _probe_gain(
    output: Sequence[Candidate], pool: Pool, generators: Sequence[str], rng: np.random.Generator
) -> Gain:
    """Mean over generators of the output's AUC less the anchors', both against the normal rows."""
    with_output, with_anchors = (beaten(part, generators) for part in (output, [*pool.anchors.values()]))
    is_normal_N = least_suspect(pool.evidence.anchor_ranks_AN.astype(np.float64).mean(axis=0))
    gain_GN = np.stack([with_output[name] - with_anchors[name] for name in generators])[:, is_normal_N]
    n_rows = gain_GN.shape[1]
    return mean_gain(resamples(n_rows, rng) @ gain_GN.mean(axis=0)[:, None] / n_rows, rng)
