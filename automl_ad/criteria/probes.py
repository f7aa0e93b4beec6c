"""Pseudo-anomalies for tables: eight ways to break a row, from standardised rows (SELECTION 2).

Diversity is what matters: a single generator ranks detectors no better than chance.
Shapes: N rows, P probe rows, D features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

Float64Array = npt.NDArray[np.float64]
Generator = Callable[[Float64Array, int, np.random.Generator], Float64Array]

RANGE_PADDING = 0.1
"""Share of a feature's range added at both ends before `uniform` draws from it."""
SUBSET_SHARE = 0.3
SPIKE_SHARE = 0.1
N_CLUSTERS = 8
MAX_CLUSTERED_ROWS = 2_000
"""k-means sees at most this many rows; the midpoints need clusters, not the best clusters."""


def make_probes(z_ND: Float64Array, *, n_rows: int, seed: int) -> Mapping[str, Float64Array]:
    """Generator -> [P, D] pseudo-anomalies, P = `n_rows`; the same for the same rows and seed.

    `mix` is missing when all rows are the same. Each generator has its own random stream,
    so that leaving one out changes no other.
    """
    z_ND = np.asarray(z_ND, dtype=np.float64)
    streams = np.random.default_rng(seed).spawn(len(GENERATORS))
    return {
        name: generate(z_ND, n_rows, rng)
        for (name, generate), rng in zip(GENERATORS.items(), streams, strict=True)
        if name != "mix" or len(_distinct(z_ND)) >= 2
    }


def gauss(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """Rows of one Gaussian with the features' means and variances, and no dependence."""
    return rng.normal(z_ND.mean(axis=0), z_ND.std(axis=0), size=(n_rows, z_ND.shape[1]))


def uniform(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """Rows anywhere in the padded bounding box."""
    padding = RANGE_PADDING * np.ptp(z_ND, axis=0)
    return rng.uniform(z_ND.min(axis=0) - padding, z_ND.max(axis=0) + padding, size=(n_rows, z_ND.shape[1]))


def marginals(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """Rows with every feature drawn on its own: true values, no dependence."""
    picks_PD = rng.integers(len(z_ND), size=(n_rows, z_ND.shape[1]))
    return np.take_along_axis(z_ND, picks_PD, axis=0)


def subset(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True rows with a random 30 % of their features, at least one, drawn on their own."""
    is_changed_PD = _random_features(n_rows, np.arange(z_ND.shape[1]), z_ND.shape[1], SUBSET_SHARE, rng)
    return np.where(is_changed_PD, marginals(z_ND, n_rows, rng), _draw(z_ND, n_rows, rng))


def scale(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True rows moved away from the mean, to 1.5 to 3 times their distance."""
    centre_D: Float64Array = z_ND.mean(axis=0)
    return centre_D + (_draw(z_ND, n_rows, rng) - centre_D) * rng.uniform(1.5, 3, size=(n_rows, 1))


def noise(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True rows with Gaussian noise of a quarter to one standard deviation."""
    sd_PD: Float64Array = z_ND.std(axis=0) * rng.uniform(0.25, 1, size=(n_rows, 1))
    return _draw(z_ND, n_rows, rng) + sd_PD * rng.normal(size=sd_PD.shape)


def spike(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True rows with 10 % of the features that vary, at least one, set 3 to 6 deviations off the mean."""
    sd_D = z_ND.std(axis=0)
    is_moved_PD = _random_features(n_rows, np.flatnonzero(sd_D > 0), len(sd_D), SPIKE_SHARE, rng)
    signs_PD = rng.choice([-1.0, 1.0], size=is_moved_PD.shape)
    moved_PD = z_ND.mean(axis=0) + signs_PD * sd_D * rng.uniform(3, 6, size=is_moved_PD.shape)
    return np.where(is_moved_PD, moved_PD, _draw(z_ND, n_rows, rng))


def mix(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """Midpoints of two distinct rows of different k-means clusters."""
    rows_ND = rng.permutation(_distinct(z_ND))[:MAX_CLUSTERED_ROWS]
    k_means = KMeans(min(N_CLUSTERS, len(rows_ND)), n_init=1, random_state=int(rng.integers(2**31)))
    clusters = k_means.fit_predict(rows_ND)
    order = np.argsort(clusters, kind="stable")
    rows_ND, clusters = rows_ND[order], clusters[order]
    first = rng.integers(len(rows_ND), size=n_rows)
    starts, ends = (np.searchsorted(clusters, clusters[first], side=side) for side in ("left", "right"))
    # Clusters are contiguous: a draw from all rows but its own cluster, stepping over the gap.
    second = rng.integers(len(rows_ND) - (ends - starts))
    second += np.where(second >= starts, ends - starts, 0)
    midpoints_PD: Float64Array = (rows_ND[first] + rows_ND[second]) / 2
    return midpoints_PD


GENERATORS: dict[str, Generator] = {
    generate.__name__: generate for generate in (gauss, uniform, marginals, subset, scale, noise, spike, mix)
}


def _draw(z_ND: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    return z_ND[rng.integers(len(z_ND), size=n_rows)]


def _random_features(
    n_rows: int, choices: npt.NDArray[np.integer], n_features: int, share: float, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """[P, D], True at a random `share` of `choices`, at least one of them, in each row."""
    is_picked_PD = np.zeros((n_rows, n_features), dtype=np.bool_)
    if len(choices):
        n_picked = max(1, round(share * len(choices)))
        picks = rng.random((n_rows, len(choices))).argsort(axis=1)[:, :n_picked]
        np.put_along_axis(is_picked_PD, choices[picks], True, axis=1)
    return is_picked_PD


def _distinct(z_ND: Float64Array) -> Float64Array:
    """The rows that differ by more than rounding; k-means warns about clusters it cannot tell apart."""
    return np.unique(z_ND.round(6), axis=0)
