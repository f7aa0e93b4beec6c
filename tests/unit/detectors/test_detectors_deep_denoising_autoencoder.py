from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from automl_ad.detectors.autoencoder import Autoencoder
from automl_ad.detectors.denoising_autoencoder import (
    DenoisingAutoencoder,
    with_mask,
    with_swaps,
)
from automl_ad.detectors.phases import Batch
from automl_ad.errors import TrialFailed
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS = 4_000
SPREADS = np.array([0.01, 1.0, 30.0, 0.0], dtype=np.float32)
CORRUPTIONS = ["gauss", "mask", "swap"]


def make_rows() -> npt.NDArray[np.float32]:
    """Four columns of very different spread, one of them constant, none around 0."""
    noise = np.random.default_rng(0).normal(size=(N_ROWS, 4)).astype(np.float32)
    rows: npt.NDArray[np.float32] = 50 + SPREADS * noise
    return rows


def build(n_members: int = 2, **params: Value) -> DenoisingAutoencoder:
    return DenoisingAutoencoder.build(params, n_features=4, n_members=n_members, seed=0)


def batch_of(x_BD: Tensor, seed: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return Batch(x_BD=x_BD, epoch=0, generator=generator, row_ids=torch.arange(len(x_BD)))


def test_gauss_has_the_asked_share_of_every_features_spread():
    rows = make_rows()
    detector = build(noise_std=0.4)
    with torch.no_grad():
        detector.start(torch.tensor(rows))
    noise = detector.corrupted(batch_of(torch.tensor(rows))).numpy() - rows
    np.testing.assert_allclose(noise.std(axis=0), 0.4 * SPREADS, rtol=0.04)
    np.testing.assert_allclose(noise.mean(axis=0), 0.0, atol=0.05 * 30)
    assert not noise[:, 3].any()  # nothing is known of a constant column's unit


def test_mask_sets_the_asked_share_to_zero_and_leaves_the_rest():
    x_BD = torch.tensor(make_rows())
    masked = with_mask(x_BD, 0.2, torch.Generator().manual_seed(0))
    is_zero = masked == 0
    np.testing.assert_allclose(is_zero.float().mean(0), 0.2, atol=0.03)
    assert torch.equal(masked[~is_zero], x_BD[~is_zero])
    correlations = np.corrcoef(is_zero.T.numpy())  # each value by itself, not whole rows
    assert np.abs(correlations - np.eye(4)).max() < 0.06


def test_swap_keeps_each_columns_values_and_moves_the_asked_share():
    x_BD = torch.arange(N_ROWS).float()[:, None] + torch.tensor([[0.0, 1e4, 2e4, 3e4]])
    swapped = with_swaps(x_BD, 0.3, torch.Generator().manual_seed(0))
    assert torch.equal(swapped.sort(dim=0).values, x_BD)
    has_moved = swapped != x_BD
    np.testing.assert_allclose(has_moved.float().mean(0), 0.3, atol=0.03)
    assert (has_moved[:, 0] != has_moved[:, 1]).any()
    # to anywhere in the batch: uncorrelated with where a value came from
    came_from, went_to = swapped[has_moved[:, 0], 0], x_BD[has_moved[:, 0], 0]
    assert abs(np.corrcoef(came_from, went_to)[0, 1]) < 0.1


def test_one_row_or_all_values_can_be_swapped():
    generator = torch.Generator().manual_seed(0)
    x_BD = torch.randn(50, 3, generator=generator)
    assert torch.equal(with_swaps(x_BD[:1], 0.5, generator), x_BD[:1])
    assert (with_swaps(x_BD, 1.0, generator) == x_BD).float().mean() < 0.1


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_the_loss_compares_the_restored_row_with_the_clean_one(corruption: str):
    x_BD = torch.randn(40, 4, generator=torch.Generator().manual_seed(2))
    detector = build(corruption=corruption, corrupted_share=0.4)
    corrupted = detector.corrupted(batch_of(x_BD))
    assert not torch.equal(corrupted, x_BD)
    expected = (detector.decoder(detector.encoder(corrupted)) - x_BD).square().mean((1, 2))
    torch.testing.assert_close(detector.batch_loss(batch_of(x_BD)), expected)
    assert not torch.equal(detector.batch_loss(batch_of(x_BD, seed=3)), expected)  # fresh noise every time


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_every_member_sees_the_same_noise(corruption: str):
    x_BD = torch.randn(40, 4, generator=torch.Generator().manual_seed(2))
    detector = build(n_members=3, corruption=corruption)
    for parameter in detector.parameters():
        parameter.data = parameter.data[:1].expand_as(parameter).clone()
    loss_S = detector.batch_loss(batch_of(x_BD))
    assert len(set(loss_S.tolist())) == 1
    detector.keep_members(torch.tensor([False, True, False]))  # and the one left draws what it drew before
    torch.testing.assert_close(detector.batch_loss(batch_of(x_BD)), loss_S[:1], rtol=1e-6, atol=0)


def test_scores_are_those_of_the_clean_rows():
    rows = np.random.default_rng(1).normal(size=(80, 4)).astype(np.float32)
    detector = build(corruption="mask", corrupted_share=0.5, n_epochs=3)
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    plain = Autoencoder.build({}, n_features=4, n_members=2, seed=7)
    plain.load_arrays(detector.arrays())
    for name, values in detector.scores(rows).items():
        np.testing.assert_array_equal(plain.scores(rows)[name], values)


def test_denoising_shrinks_towards_the_mean():
    """A linear network would learn the regression of x on x + noise: slope 1 / (1 + noise^2)."""
    rows = np.random.default_rng(2).normal(size=(1_000, 4)).astype(np.float32)
    params = {"noise_std": 1.0, "latent_size": 4, "learning_rate": 1e-2, "n_epochs": 60}
    detector = build(**params)
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    with torch.no_grad():
        restored = detector.codes(torch.tensor(rows)).restored_SBD.numpy()
    slopes = (restored * rows).sum((1, 2)) / (rows**2).sum()
    np.testing.assert_allclose(slopes, 0.5, atol=0.05)


@pytest.mark.parametrize(
    ("params", "rule"),
    [
        ({"corruption": "salt"}, "corruption must be one of gauss, mask, swap, got 'salt'"),
        ({"corrupted_share": 1.5}, "corrupted_share must be a number in"),
        ({"noise_std": 0.0}, "noise_std must be a number in"),
    ],
)
def test_params_that_cannot_work_fail_the_trial(params: dict[str, Value], rule: str):
    with pytest.raises(TrialFailed, match=rule):
        build(**params)
