from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from automl_ad.detectors.phases import Batch
from automl_ad.detectors.vae import Vae
from automl_ad.nn.gaussian import softly_bounded
from automl_ad.results import Value
from automl_ad.training import fit

Array = npt.NDArray[np.float64]
N_ROWS, N_FEATURES, N_LATENT = 80, 4, 3


def make_rows(n_rows: int = N_ROWS) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (3 * rng.normal(size=(n_rows, 2)) @ rng.normal(size=(2, N_FEATURES))).astype(np.float32)


def build(n_members: int = 2, **params: Value) -> Vae:
    small: dict[str, Value] = {"hidden": "7", "latent_size": N_LATENT, "norm": "none", **params}
    return Vae.build(small, n_features=N_FEATURES, n_members=n_members, seed=0)


def make_fitted(**params: Value) -> Vae:
    vae = build(**{"n_epochs": 10, **params})
    fit(vae, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return vae


def batch_of(rows: npt.NDArray[np.float32], epoch: int = 0) -> Batch:
    return Batch(
        x_BD=torch.tensor(rows),
        epoch=epoch,
        generator=torch.Generator().manual_seed(7),
        row_ids=torch.arange(len(rows)),
    )


def by_hand(vae: Vae, rows: npt.NDArray[np.float32], noise_BZ: Array | float = 0.0) -> dict[str, Array]:
    """Mean and log-variance of the code and of the row in float64, straight from the arrays."""
    arrays = {name: array.astype(np.float64) for name, array in vae.arrays().items()}

    def network(part: str, x: Array) -> Array:
        hidden = np.maximum(x @ arrays[f"{part}.0.weight"] + arrays[f"{part}.0.bias"], 0)
        output: Array = hidden @ arrays[f"{part}.2.weight"] + arrays[f"{part}.2.bias"]
        return output

    def bounded(raw: Array, low: float, high: float) -> Array:
        capped = high - np.logaddexp(0, high - raw)
        soft: Array = low + np.logaddexp(0, capped - low)
        return soft

    code = network("encoder", rows.astype(np.float64))
    code_mean, code_log_variance = code[..., :N_LATENT], bounded(code[..., N_LATENT:], -12, 8)
    row = network("decoder.stack", code_mean + np.exp(code_log_variance / 2) * noise_BZ)
    raw = row[..., N_FEATURES:]
    if "decoder.tied" in arrays:
        raw = np.broadcast_to(arrays["decoder.tied"], row.shape)
    return {
        "code_mean": code_mean,
        "code_log_variance": code_log_variance,
        "mean": row[..., :N_FEATURES],
        "log_variance": arrays["decoder.log_scale"] + bounded(raw, vae.decoder.min_log_variance, 5),
    }


def terms_by_hand(moments: dict[str, Array], rows: npt.NDArray[np.float32]) -> tuple[Array, Array, Array]:
    """D, A and M, each [S, N], from torch.distributions."""
    moments_t = {name: torch.tensor(value) for name, value in moments.items()}
    posterior = Normal(moments_t["code_mean"], (moments_t["code_log_variance"] / 2).exp())
    divergence = kl_divergence(posterior, Normal(0.0, 1.0)).sum(-1).numpy()
    row = Normal(moments_t["mean"], (moments_t["log_variance"] / 2).exp())
    misfit = 0.5 * (((rows - moments["mean"]) / np.exp(moments["log_variance"] / 2)) ** 2).sum(-1)
    volume = -row.log_prob(torch.tensor(rows)).sum(-1).numpy() - misfit
    return divergence, volume, misfit


@pytest.mark.parametrize("variance", ["per_row", "per_feature", "scalar"])
def test_scores_are_those_of_the_definitions(variance: str):
    vae, rows = make_fitted(variance=variance), make_rows()
    moments = by_hand(vae, rows)
    divergence, volume, misfit = terms_by_hand(moments, rows)
    expected = {
        "M": misfit,
        "L": divergence + volume + misfit,
        "D": divergence,
        "A": volume,
        "A_plus_M": volume + misfit,
        "rec_mse": ((rows - moments["mean"]) ** 2).mean(-1),
    }
    scores = vae.scores(rows)
    for name, values in expected.items():
        np.testing.assert_allclose(scores[name], values, rtol=1e-4, atol=1e-4, err_msg=name)
    assert vae.score_types[0].name == "M"


def test_the_parts_add_up_exactly():
    scores = make_fitted().scores(make_rows())
    d, a, m = (scores[name].astype(np.float32) for name in "DAM")
    np.testing.assert_array_equal(scores["L"], d + a + m)
    np.testing.assert_array_equal(scores["A_plus_M"], a + m)


@pytest.mark.parametrize("beta", [1.0, 4.0])
def test_the_loss_is_the_published_one_of_a_drawn_code_over_the_number_of_features(beta: float):
    vae, rows = make_fitted(beta=beta), make_rows()
    noise_BZ = torch.randn((N_ROWS, N_LATENT), generator=torch.Generator().manual_seed(7)).double().numpy()
    divergence, volume, misfit = terms_by_hand(by_hand(vae, rows, noise_BZ), rows)
    expected = (beta * divergence + volume + misfit).mean(1) / N_FEATURES
    step = vae.phases(N_ROWS)[1].steps[0]
    np.testing.assert_allclose(step.loss(batch_of(rows)).detach(), expected, rtol=1e-4)
    assert step.optimizer.weight_decay == pytest.approx(1e-4 / N_FEATURES)


@pytest.mark.parametrize(("kl_warmup", "ramp"), [("none", 1.0), ("linear", 2 / 4)])
def test_the_warm_up_learns_means_alone(kl_warmup: str, ramp: float):
    vae, rows = make_fitted(n_epochs=30, beta=2.0, kl_warmup=kl_warmup), make_rows()
    warmup = vae.phases(N_ROWS)[0]
    assert (warmup.n_epochs, warmup.is_preparation) == (3, True)
    noise_BZ = torch.randn((N_ROWS, N_LATENT), generator=torch.Generator().manual_seed(7)).double().numpy()
    moments = by_hand(vae, rows, noise_BZ)
    moments["log_variance"] = np.full_like(moments["mean"], math.log(rows.var(axis=0).mean()))
    divergence, volume, misfit = terms_by_hand(moments, rows)
    loss_S = warmup.steps[0].loss(batch_of(rows, epoch=1))
    expected = (ramp * 2.0 * divergence + volume + misfit).mean(1) / N_FEATURES
    np.testing.assert_allclose(loss_S.detach(), expected, rtol=1e-4)
    loss_S.sum().backward()
    last = vae.decoder.stack[2].weight.grad  # type: ignore[index]
    assert (last[..., :N_FEATURES] != 0).any()
    assert (last[..., N_FEATURES:] == 0).all()


def test_the_floor_holds_and_keeps_gradients():
    raw = torch.tensor([-30.0, -8.0, 0.0, 7.0, 15.0], requires_grad=True)
    bounded = softly_bounded(raw, -6.0, 5.0)
    assert bounded.min() >= -6.0
    assert bounded.max() <= 5.0 + 2e-5
    assert bounded[2].item() == pytest.approx(0.0, abs=0.01)
    bounded.sum().backward()
    assert raw.grad is not None
    assert (raw.grad > 0).all()  # a clamp's is 0 outside


def test_variances_stay_above_a_floor_relative_to_the_rows():
    exact = np.repeat(np.float32([[-0.3], [0.1], [0.2]]), N_FEATURES, axis=1).repeat(20, axis=0)
    vae = build(n_epochs=100, learning_rate=1e-2, min_log_variance=-4.0)
    fit(vae, exact, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    over_scale = by_hand(vae, exact)["log_variance"] - math.log(exact.var(axis=0).mean())
    assert (over_scale >= -4.0 - 1e-5).all()
    assert over_scale.min() < -3.0  # where three different rows are reproduced well


def test_a_rises_with_the_predicted_variance_and_m_falls():
    vae, rows = make_fitted(), make_rows()
    wider = build()
    arrays = {name: array.copy() for name, array in vae.arrays().items()}
    arrays["decoder.stack.2.bias"][..., N_FEATURES:] += 1.0
    wider.load_arrays(arrays)
    before, after = vae.scores(rows), wider.scores(rows)
    assert (after["A"] > before["A"]).all()
    assert (after["M"] < before["M"]).all()
    np.testing.assert_array_equal(after["D"], before["D"])
    np.testing.assert_array_equal(after["rec_mse"], before["rec_mse"])


def test_a_complex_row_is_strange_to_l_but_not_to_m():
    """Half of the rows are noisy: A sees them, M is in their own units, the paper's whole point."""
    rng = np.random.default_rng(0)
    is_noisy = np.arange(400) % 2 == 1
    rows = rng.normal(size=(400, 6)) * np.where(is_noisy, 1.0, 0.05)[:, None]
    rows[:, 0] = np.where(is_noisy, 1.0, -1.0)
    vae = Vae.build(
        {"n_epochs": 60, "batch_size": 64, "learning_rate": 3e-3}, n_features=6, n_members=1, seed=0
    )
    fit(vae, rows.astype(np.float32), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    scores = {name: values[0] for name, values in vae.scores(rows.astype(np.float32)).items()}
    assert np.median(scores["A"][is_noisy]) > np.median(scores["A"][~is_noisy]) + 5
    assert 0.4 < np.median(scores["M"][is_noisy]) / np.median(scores["M"][~is_noisy]) < 2.5
    assert np.median(scores["rec_mse"][is_noisy]) > 20 * np.median(scores["rec_mse"][~is_noisy])


def test_members_are_the_networks_that_train_alone():
    """Noise has no member axis: a lost member leaves the others as they are."""
    both, rows = build(n_members=2, n_epochs=3), make_rows()
    alone = build(n_members=2, n_epochs=3)
    alone.keep_members(torch.tensor([False, True]))
    for vae in (both, alone):
        fit(vae, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    assert both.scores(rows)["M"].shape == (2, N_ROWS)
    np.testing.assert_allclose(alone.scores(rows)["M"][0], both.scores(rows)["M"][1], rtol=1e-4)


def test_the_divergence_is_reported():
    vae, rows = make_fitted(), make_rows()
    assert vae.diagnostics()["divergence"] == pytest.approx(vae.scores(rows)["D"].mean(), rel=1e-5)
