from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from automl_ad.detectors import rdae
from automl_ad.detectors.autoencoder import Autoencoder
from automl_ad.detectors.phases import Batch
from automl_ad.detectors.rdae import Rdae
from automl_ad.errors import TrialFailed
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS, N_GROSS = 200, 8


def make_rows() -> npt.NDArray[np.float32]:
    """Rows of rank two in six features; the last ones are far off."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_ROWS, 2)) @ rng.normal(size=(2, 6))
    rows[-N_GROSS:] += 8 * rng.choice([-1, 1], (N_GROSS, 6))
    return rows.astype(np.float32)


def build(n_members: int = 2, **params: Value) -> Rdae:
    with_defaults: dict[str, Value] = {"latent_size": 2, "batch_size": 64, **params}
    return Rdae.build(with_defaults, n_features=6, n_members=n_members, seed=0)


def make_fitted(rows: npt.NDArray[np.float32] | None = None, **params: Value) -> Rdae:
    detector = build(**params)
    rows = make_rows() if rows is None else rows
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def test_gross_rows_and_no_others_end_up_in_the_sparse_part():
    detector = make_fitted(n_epochs=60, outlier_share=N_GROSS / N_ROWS)
    is_sparse_SN = detector.sparse_part.abs().sum(-1) > 0
    assert is_sparse_SN[:, -N_GROSS:].all()
    assert not is_sparse_SN[:, :-N_GROSS].any()


def test_single_gross_entries_end_up_in_the_sparse_part():
    rows = make_rows()[:-N_GROSS]
    noisy_rows, noisy_columns = np.arange(0, 190, 19), np.arange(10) % 6
    rows[noisy_rows, noisy_columns] += 12
    detector = make_fitted(rows, sparsity="l1", outlier_share=10 / rows.size, n_epochs=60)
    is_sparse_SND = detector.sparse_part != 0
    assert (is_sparse_SND.sum((1, 2)) == 10).all()
    assert is_sparse_SND[:, noisy_rows, noisy_columns].float().mean() > 0.9


@pytest.mark.parametrize("sparsity", ["l21", "l1"])
def test_the_sparse_part_is_the_residual_beyond_the_quantile(sparsity: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rdae, "BLOCK_ROWS", 64)
    detector, x_ND = build(sparsity=sparsity, outlier_share=0.1, inner=3), torch.tensor(make_rows())
    (phase,) = detector.phases(N_ROWS)
    assert phase.after_epoch is not None
    with torch.no_grad():
        detector.start(x_ND)
        before = 0.1 * torch.randn(detector.sparse_part.shape, generator=torch.Generator().manual_seed(0))
        detector.sparse_part.copy_(before)
        phase.after_epoch(x_ND, 1)
        phase.after_epoch(x_ND, 2)
        assert torch.equal(detector.sparse_part, before)  # only every third epoch
        phase.after_epoch(x_ND, 3)
        residual = (x_ND - detector.decoder(detector.encoder(x_ND - before))).numpy()
    for member in range(2):
        sizes = np.linalg.norm(residual[member], axis=1, keepdims=True)
        if sparsity == "l1":
            sizes = np.abs(residual[member])
        tau = np.quantile(sizes, 0.9, method="inverted_cdf")
        expected = residual[member] * np.maximum(1 - tau / sizes, 0)
        np.testing.assert_allclose(detector.sparse_part[member], expected, atol=1e-5)


def test_the_loss_is_the_error_of_the_cleaned_rows_of_the_batch():
    detector, x_ND = build(), torch.tensor(make_rows())
    (phase,) = detector.phases(N_ROWS)
    (step,) = phase.steps
    with torch.no_grad():
        detector.start(x_ND)
        detector.sparse_part.copy_(torch.randn(detector.sparse_part.shape))
    row_ids = torch.tensor([5, 199, 0])
    batch = Batch(x_BD=x_ND[row_ids], epoch=0, generator=torch.Generator(), row_ids=row_ids)
    loss_S = step.loss(batch).detach().numpy()
    for member in range(2):
        cleaned = (x_ND - detector.sparse_part[member])[row_ids].numpy()
        expected = detector.scores(cleaned)["rec_mse"][member].mean()
        assert loss_S[member] == pytest.approx(expected, rel=1e-5)


def test_a_tiny_share_leaves_an_autoencoder():
    class TanhAutoencoder(Autoencoder):
        latent_activation = "tanh"

    params: dict[str, Value] = {
        "latent_size": 2,
        "batch_size": 64,
        "n_epochs": 10,
        "activation": "tanh",
        "outlier_share": 1e-4,
    }
    robust = make_fitted(**params)
    assert not robust.sparse_part.any()
    plain = TanhAutoencoder.build(params, n_features=6, n_members=2, seed=0)
    fit(plain, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    for name in ("rec_mse", "rec_l1", "latent_dist_mean"):
        np.testing.assert_allclose(
            robust.scores(make_rows())[name], plain.scores(make_rows())[name], rtol=1e-4
        )


def test_the_sparse_part_is_no_part_of_the_fitted_detector_and_loses_members_too():
    detector = make_fitted(n_epochs=5)
    assert "sparse_part" not in detector.arrays()
    second = detector.sparse_part[1].clone()
    detector.keep_members(torch.tensor([False, True]))
    assert torch.equal(detector.sparse_part, second.unsqueeze(0))


def test_a_sparse_part_beyond_memory_fails_the_trial():
    build(n_members=2).phases(20_833_333)
    with pytest.raises(TrialFailed, match="at most 1,000,000,000 bytes, got 1,000,000,032"):
        build(n_members=2).phases(20_833_334)
