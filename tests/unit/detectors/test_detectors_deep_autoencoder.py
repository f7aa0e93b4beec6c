from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from automl_ad.detectors.autoencoder import Autoencoder
from automl_ad.detectors.phases import Batch
from automl_ad.training import fit

Array = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def rows() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(200, 2)) @ rng.normal(size=(2, 5))).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(rows: npt.NDArray[np.float32]) -> Autoencoder:
    detector = Autoencoder.build(
        {"n_epochs": 4, "hidden": "7", "latent_size": 3}, n_features=5, n_members=2, seed=0
    )
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def by_hand(detector: Autoencoder, rows: npt.NDArray[np.float32]) -> tuple[Array, Array]:
    """Codes [S, N, Z] and residuals [S, N, D] in float64, straight from the arrays."""
    arrays = {name: array.astype(np.float64) for name, array in detector.arrays().items()}

    def layer(part: str, x: Array) -> Array:
        return x @ arrays[f"{part}.weight"] + arrays[f"{part}.bias"]

    def leaky_relu(x: Array) -> Array:
        return np.where(x > 0, x, 0.01 * x)

    z = layer("encoder.2", leaky_relu(layer("encoder.0", rows.astype(np.float64))))
    return z, layer("decoder.2", leaky_relu(layer("decoder.0", z))) - rows


def test_scores_are_those_of_the_definitions(fitted: Autoencoder, rows: npt.NDArray[np.float32]):
    z, residual = by_hand(fitted, rows)
    centred = z - z.mean(axis=1, keepdims=True)
    expected = {
        "rec_mse": np.square(residual).mean(axis=2),
        "rec_l1": np.abs(residual).mean(axis=2),
        "rec_std": (np.square(residual) / residual.var(axis=1, keepdims=True)).sum(axis=2),
        "latent_dist_mean": np.linalg.norm(centred, axis=2),
    }
    scores = fitted.scores(rows)
    for name, values in expected.items():
        np.testing.assert_allclose(scores[name], values, rtol=2e-3, err_msg=name)


def test_latent_mahalanobis_is_the_textbooks_up_to_its_ridge(
    fitted: Autoencoder, rows: npt.NDArray[np.float32]
):
    z, _ = by_hand(fitted, rows)
    scores = fitted.scores(rows, ["latent_mahalanobis"])["latent_mahalanobis"]
    for member in range(2):
        centred = z[member] - z[member].mean(axis=0)
        covariance = np.cov(z[member].T, ddof=0)
        covariance += 1e-3 * np.trace(covariance) / 3 * np.eye(3)
        expected = np.einsum("nz,zy,ny->n", centred, np.linalg.inv(covariance), centred)
        np.testing.assert_allclose(scores[member], expected, rtol=5e-3, atol=1e-3)


@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
def test_the_loss_is_the_one_asked_for(loss: str, rows: npt.NDArray[np.float32]):
    rows = 3 * rows  # both branches of huber
    detector = Autoencoder.build(
        {"loss": loss, "hidden": "7", "latent_size": 3}, n_features=5, n_members=2, seed=0
    )
    _, residual = by_hand(detector, rows)
    size = np.abs(residual)
    expected = {
        "mse": size**2,
        "l1": size,
        "huber": np.where(size < 1, size**2 / 2, size - 0.5),
    }[loss].mean(axis=(1, 2))
    (phase,) = detector.phases(len(rows))
    (step,) = phase.steps
    batch = Batch(
        x_BD=torch.tensor(rows), epoch=0, generator=torch.Generator(), row_ids=torch.arange(len(rows))
    )
    np.testing.assert_allclose(step.loss(batch).detach(), expected, rtol=1e-4)


def test_a_column_reproduced_exactly_does_not_dominate(fitted: Autoencoder, rows: npt.NDArray[np.float32]):
    rows = rows.copy()
    rows[:, 0] = 0.0
    arrays = {name: array.copy() for name, array in fitted.arrays().items()}
    arrays["decoder.2.weight"][:, :, 0] = 0.0
    arrays["decoder.2.bias"][:, :, 0] = 0.0
    exact = Autoencoder.build({"hidden": "7", "latent_size": 3}, n_features=5, n_members=2, seed=0)
    exact.load_arrays(arrays)
    with torch.no_grad():
        exact.finalize(torch.tensor(rows))
    variance = exact.arrays()["residual_variance"]
    np.testing.assert_allclose(variance[:, 0], 1e-6 * np.median(variance, axis=1), rtol=1e-4)
