"""How far one output is ahead of another in a label-free figure, with what noise leaves open.

Noise is what a bootstrap over panel rows, and over judges, leaves open: 5 % on one side.
Shapes: N panel rows, P probe rows, M rows of either, U units drawn (judges), B resamples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl_ad.artifact.ensemble import PanelECDF
from automl_ad.results import Candidate

Float64Array = npt.NDArray[np.float64]

N_RESAMPLES = 200
NOISE = 0.05
"""Share of the resamples beyond either limit of the interval."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gain:
    """How far the output is ahead of another in one figure, with its 90 % interval."""

    value: float
    low: float
    high: float


def figures_of(gains: Mapping[str, Gain]) -> dict[str, float]:
    """Flat numbers: `NAME_gain`, `NAME_gain_low` and `NAME_gain_high` of each."""
    return {
        f"{name}_gain{suffix}": value
        for name, gain in gains.items()
        for suffix, value in (("", gain.value), ("_low", gain.low), ("_high", gain.high))
    }


def resamples(n_rows: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """[1 + B, N] how often each panel row is drawn: once each, then in each resample."""
    drawn_BN = rng.multinomial(n_rows, np.full(n_rows, 1 / n_rows), size=N_RESAMPLES)
    return np.concatenate([np.ones((1, n_rows), dtype=np.int64), drawn_BN])


def mean_gain(figures_BU: Float64Array, rng: np.random.Generator) -> Gain:
    """The mean of the first line over its units, and the interval of the others, units drawn again too."""
    drawn_BU = rng.integers(figures_BU.shape[1], size=figures_BU[1:].shape)
    means_B = np.take_along_axis(figures_BU[1:], drawn_BU, axis=1).mean(axis=1)
    low, high = np.quantile(means_B, [NOISE, 1 - NOISE])
    return Gain(value=float(figures_BU[0].mean()), low=float(low), high=float(high))


def mean_surprise(parts: Sequence[Candidate]) -> Float64Array:
    """[N] the parts' equally weighted ensemble on the panel.

    On the scale of surprise for one part too, where `combine` keeps raw scores: tails must be comparable.
    """
    maps = [PanelECDF.from_scores(part.panel_scores) for part in parts]
    return _ensemble(maps, [part.panel_scores for part in parts])


def beaten(parts: Sequence[Candidate], generators: Iterable[str]) -> dict[str, Float64Array]:
    """Generator -> [N] share of its rows that score above each panel row; their mean is the AUC."""
    maps = [PanelECDF.from_scores(part.panel_scores) for part in parts]
    panel_N = _ensemble(maps, [part.panel_scores for part in parts])
    return {
        name: _share_above(_ensemble(maps, [part.probe_scores[name] for part in parts]), panel_N)
        for name in generators
    }


def _ensemble(maps: Sequence[PanelECDF], scores: Sequence[npt.NDArray[np.floating]]) -> Float64Array:
    """[M] mean over the parts of the surprise at their scores [M]."""
    surprises = [surprise(scores_M) for surprise, scores_M in zip(maps, scores, strict=True)]
    return np.asarray(np.mean(surprises, axis=0))


def _share_above(probes_P: Float64Array, panel_N: Float64Array) -> Float64Array:
    """[N] share of the probes above each panel row, ties counting half."""
    ascending_P = np.sort(probes_P)
    not_above = np.searchsorted(ascending_P, panel_N, "left") + np.searchsorted(ascending_P, panel_N, "right")
    return np.asarray(1 - not_above / (2 * len(ascending_P)))


def shared_generators(parts: Sequence[Candidate]) -> list[str]:
    """The pseudo-anomalies that all parts have scored."""
    return sorted(set.intersection(*(set(part.probe_scores) for part in parts)))
