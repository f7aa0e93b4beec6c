"""Pseudo-anomalies for images: seven ways to break a picture, from pixels in [0, 1] (SELECTION 2).

Shapes: N images, P probe rows, C channels, H x W pixels, D = C * H * W.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from automl_ad.criteria import rectangles

Float64Array = npt.NDArray[np.float64]
Generator = Callable[[Float64Array, int, np.random.Generator], Float64Array]

CUT_PASTE_AREA = (0.02, 0.15)
"""Of the image (Li et al. 2021, section 2.2). Thin rectangles are allowed: they are the paper's scars."""
CUT_MIX_AREA = (0.15, 0.5)
"""From where CutPaste ends to one half: of more, the other image would be the one that is broken."""
BLUR_WIDTH = (0.02, 0.08)
"""Standard deviation in shares of the shorter side: half a pixel to two for MNIST."""
NOISE_WIDTH = (0.25, 1.0)
"""In standard deviations of all pixels, as for tables: dim or flat images get little noise."""
LESS_CONTRAST, MORE_CONTRAST = (0.3, 0.8), (1.25, 3.0)


def make_image_probes(
    pixels_ND: Float64Array, shape: tuple[int, int, int], *, n_rows: int, seed: int
) -> Mapping[str, Float64Array]:
    """Generator -> [P, D] pseudo-anomalies in [0, 1], P = `n_rows`; the same for the same rows and seed.

    `shape` (C, H, W) is that of every image. `rotate_90` is missing unless H = W. Each generator has its
    own random stream, so that leaving one out changes no other.
    """
    images_NCHW = np.asarray(pixels_ND, dtype=np.float64).reshape(-1, *shape)
    streams = np.random.default_rng(seed).spawn(len(GENERATORS))
    return {
        name: generate(images_NCHW, n_rows, rng).reshape(n_rows, -1)
        for (name, generate), rng in zip(GENERATORS.items(), streams, strict=True)
        if name != "rotate_90" or shape[1] == shape[2]
    }


def cut_paste(images_NCHW: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True images with a rectangle of 2 to 15 % of the area copied to another place of the same image."""
    probes_PCHW = _draw(images_NCHW, n_rows, rng)
    shape = images_NCHW.shape[2:]
    sizes_P2 = rectangles.random_sizes(shape, CUT_PASTE_AREA, n_rows, rng)
    places_2P = _two_of(rectangles.count_places(shape, sizes_P2), n_rows, rng)
    sources, targets = (rectangles.windows(shape, sizes_P2, places_P) for places_P in places_2P)
    for probe_CHW, source, target in zip(probes_PCHW, sources, targets, strict=True):
        probe_CHW[target] = probe_CHW[source].copy()
    return probes_PCHW


def cut_mix(images_NCHW: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True images with a rectangle of 15 to 50 % of the area from the same place of another image."""
    probes_PCHW, others_PCHW = (images_NCHW[rows_P] for rows_P in _two_of(len(images_NCHW), n_rows, rng))
    shape = images_NCHW.shape[2:]
    sizes_P2 = rectangles.random_sizes(shape, CUT_MIX_AREA, n_rows, rng)
    windows = rectangles.windows(shape, sizes_P2, rng.integers(rectangles.count_places(shape, sizes_P2)))
    for probe_CHW, other_CHW, window in zip(probes_PCHW, others_PCHW, windows, strict=True):
        probe_CHW[window] = other_CHW[window]
    return probes_PCHW


def rotate_90(images_NCHW: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True images after a quarter turn to the left. Square images only."""
    return np.rot90(_draw(images_NCHW, n_rows, rng), axes=(2, 3))


def rotate_180(images_NCHW: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True images upside down."""
    return np.rot90(_draw(images_NCHW, n_rows, rng), 2, axes=(2, 3))


def blur(images_NCHW: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True images after a Gaussian filter of 2 to 8 % of the shorter side; reflected edges keep the mean."""
    widths_P = min(images_NCHW.shape[2:]) * rng.uniform(*BLUR_WIDTH, size=n_rows)
    probes_PCHW = _draw(images_NCHW, n_rows, rng)
    for probe_CHW, width in zip(probes_PCHW, widths_P, strict=True):
        gaussian_filter(probe_CHW, sigma=(0, width, width), mode="reflect", output=probe_CHW)
    return _in_range(probes_PCHW)  # sums of weights round to a little more than 1


def noise(images_NCHW: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True images with Gaussian noise of a quarter to one of the pixels' standard deviation."""
    sd_P111 = images_NCHW.std() * rng.uniform(*NOISE_WIDTH, size=(n_rows, 1, 1, 1))
    probes_PCHW = _draw(images_NCHW, n_rows, rng)
    return _in_range(probes_PCHW + sd_P111 * rng.normal(size=probes_PCHW.shape))


def contrast(images_NCHW: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    """True images with their pixels nearer to their mean, or farther from it, each for half of the rows."""
    less_P, more_P = (rng.uniform(*factors, size=n_rows) for factors in (LESS_CONTRAST, MORE_CONTRAST))
    factors_P111 = np.where(rng.random(n_rows) < 0.5, less_P, more_P).reshape(-1, 1, 1, 1)
    probes_PCHW = _draw(images_NCHW, n_rows, rng)
    mean_P111 = probes_PCHW.mean(axis=(1, 2, 3), keepdims=True)
    return _in_range(mean_P111 + factors_P111 * (probes_PCHW - mean_P111))


GENERATORS: dict[str, Generator] = {
    generate.__name__: generate
    for generate in (cut_paste, cut_mix, rotate_90, rotate_180, blur, noise, contrast)
}


def _draw(images_NCHW: Float64Array, n_rows: int, rng: np.random.Generator) -> Float64Array:
    return images_NCHW[rng.integers(len(images_NCHW), size=n_rows)]


def _in_range(probes_PCHW: Float64Array) -> Float64Array:
    clipped_PCHW: Float64Array = np.clip(probes_PCHW, 0, 1)
    return clipped_PCHW


def _two_of(
    n_choices: int | rectangles.Int64Array, n_rows: int, rng: np.random.Generator
) -> tuple[rectangles.Int64Array, rectangles.Int64Array]:
    """For each row two different numbers below its `n_choices`; the same one twice where there is but one."""
    first_P = rng.integers(n_choices, size=n_rows)
    steps_P = rng.integers(1, np.maximum(2, n_choices), size=n_rows)
    return first_P, (first_P + steps_P) % n_choices
