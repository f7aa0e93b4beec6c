"""The VAE's scores on images with an erased patch, after the toy of Matsubara et al. (METHODS 3.3).

Run: `python tests/benchmarks/repro_vae_erased.py [painted | fashion_mnist | mnist]`.

One training image in a hundred has a 4x4 block set to mid-grey. Every test image is tested twice, intact and
with such a block. Published on SVHN with convolutions and latent size 500: ROC-AUC of L 74.5, of M 94.3.
Data and network differ here; what must come back is an M well above L. All latent sizes are printed, because
the published one was picked by test labels. Labels serve the evaluation alone.

`painted`, the default, makes house numbers of MNIST: digit and ground in any two greys, with the noise of
a camera, whose variance grows with the brightness. It was chosen after plain Fashion-MNIST had not told the
two scores apart: there a quarter of the blocks raise M and L alike by thousands, and half by less than 50,
which neither sees (M of intact images spreads from 150 to 600).
"""

from __future__ import annotations

import sys

import numpy as np
import numpy.typing as npt
import torch
from reproduction import read_images

from automl_ad.detectors.base import member_mean
from automl_ad.detectors.vae import Vae
from automl_ad.evaluation.metrics import auroc
from automl_ad.results import Value
from automl_ad.training import fit

LATENT_SIZES = (10, 50, 100, 200)
SEEDS = range(2)
N_TRAIN, N_TEST = 5_000, 2_000
ERASED_SHARE = 0.01
BLOCK = 4
GREY = 127
"""Its middle is 0.5 once dequantized."""
SCORES = ("L", "D", "A", "M", "A_plus_M", "rec_mse")
SHOT_NOISE = 0.01
"""Variance over brightness: a white pixel has a standard deviation of 0.1."""
SETTINGS: dict[str, Value] = {"hidden": "256-128", "n_epochs": 60}

Pixels = npt.NDArray[np.uint8]
"""[N, 1, side, side]."""
Rows = npt.NDArray[np.float32]
"""[N, D], in [0, 1]."""


def draw_images(data: str, split: str, n_images: int, rng: np.random.Generator) -> Pixels:
    rows_ND, _ = read_images("mnist" if data == "painted" else data, split)
    chosen = rng.permutation(len(rows_ND))[:n_images]
    images = (255 * rows_ND[chosen]).round().astype(np.uint8).reshape(-1, 1, 28, 28)
    return paint(images, rng) if data == "painted" else images


def paint(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Ink and ground of each image in random greys, then the noise of counted light."""
    ground, ink = rng.uniform(size=(2, len(images), 1, 1, 1))
    light = ground + (ink - ground) * images / 255
    light += np.sqrt(SHOT_NOISE * light) * rng.normal(size=light.shape)
    return (255 * light.clip(0, 1)).round().astype(np.uint8)


def erase(images: Pixels, rng: np.random.Generator) -> Pixels:
    """A copy, in each image one block grey, anywhere."""
    erased = images.copy()
    corners = rng.integers(0, images.shape[-1] - BLOCK + 1, (len(images), 2))
    for image, (top, left) in zip(erased, corners, strict=True):
        image[:, top : top + BLOCK, left : left + BLOCK] = GREY
    return erased


def dequantize(images: Pixels, rng: np.random.Generator) -> Rows:
    """Noise within a level: else pixels that are the same in all images draw the variance to zero."""
    rows_ND = images.reshape(len(images), -1) + rng.uniform(size=(len(images), images[0].size))
    return (rows_ND / 256).astype(np.float32)


def make_data(data: str, seed: int) -> tuple[Rows, Rows, npt.NDArray[np.bool_]]:
    """Training rows, test rows, which test rows are erased."""
    rng = np.random.default_rng(seed)
    train = draw_images(data, "train", N_TRAIN, rng)
    chosen = rng.choice(N_TRAIN, round(ERASED_SHARE * N_TRAIN), replace=False)
    train[chosen] = erase(train[chosen], rng)
    intact = draw_images(data, "test", N_TEST, rng)
    test = np.concatenate([intact, erase(intact, rng)])
    return dequantize(train, rng), dequantize(test, rng), np.arange(len(test)) >= N_TEST


def run(data: str, latent_size: int, seed: int) -> list[float]:
    """ROC-AUC of the scores, in percent."""
    train_ND, test_ND, is_erased = make_data(data, seed)
    params = {**SETTINGS, "latent_size": latent_size}
    vae = Vae.build(params, n_features=train_ND.shape[1], n_members=1, seed=seed)
    fit(vae, train_ND, seed=seed, checkpoints=(), on_checkpoint=lambda _: False)
    scores = vae.scores(test_ND, SCORES)
    return [100 * auroc(is_erased, member_mean(scores[name])) for name in SCORES]


def main() -> None:
    torch.set_num_threads(1)
    data = sys.argv[1] if len(sys.argv) > 1 else "painted"
    print(f"{data}: ROC-AUC, mean +- std over {len(SEEDS)} seeds (published on SVHN: L 74.5, M 94.3)")
    print(f"{'latent':>6s}" + "".join(f"{name:>14s}" for name in SCORES))
    for latent_size in LATENT_SIZES:
        figures = np.array([run(data, latent_size, seed) for seed in SEEDS])
        cells = [f"{m:8.1f} +- {s:.1f}" for m, s in zip(figures.mean(0), figures.std(0), strict=True)]
        print(f"{latent_size:6d}" + "".join(f"{cell:>14s}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
