from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from automl_ad.detectors.contractive_autoencoder import ContractiveAutoencoder
from automl_ad.detectors.phases import Batch
from automl_ad.errors import TrialFailed
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS = 90


def make_rows() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(N_ROWS, 2)) @ rng.normal(size=(2, 5))).astype(np.float32)


def build(n_members: int = 2, **params: Value) -> ContractiveAutoencoder:
    return ContractiveAutoencoder.build(
        {"hidden": "8", "latent_size": 3, **params}, n_features=5, n_members=n_members, seed=0
    )


def start(detector: ContractiveAutoencoder) -> ContractiveAutoencoder:
    with torch.no_grad():
        detector.start(torch.tensor(make_rows()))
    return detector


def make_fitted(**params: Value) -> ContractiveAutoencoder:
    detector = build(**params)
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def loss_of(detector: ContractiveAutoencoder, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    rows = torch.tensor(make_rows())
    batch = Batch(x_BD=rows, epoch=0, generator=generator, row_ids=torch.arange(N_ROWS))
    (phase,) = detector.phases(N_ROWS)
    return phase.steps[0].loss(batch).detach()


def error_of(detector: ContractiveAutoencoder) -> Tensor:
    with torch.no_grad():
        return detector.codes(torch.tensor(make_rows())).mean_square_SB.mean(1)


def relative_contraction(detector: ContractiveAutoencoder) -> npt.NDArray[np.float64]:
    """Mean squared Jacobian per variance of the codes, [S]."""
    with torch.no_grad():
        codes = detector.codes(torch.tensor(make_rows()))
        z_SNZ = codes.z_SBZ.double().numpy()
        jacobian = codes.jacobian2_SB.double().numpy().mean(axis=1)
    ratio: npt.NDArray[np.float64] = jacobian / z_SNZ.var(axis=1).mean(axis=1)
    return ratio


def test_the_jacobian_is_the_closed_form_of_one_hidden_layer():
    detector, rows = make_fitted(n_epochs=3), make_rows().astype(np.float64)
    weights = {name: array.astype(np.float64) for name, array in detector.arrays().items()}
    with torch.no_grad():
        scores = detector.codes(torch.tensor(make_rows())).jacobian2_SB.numpy()
    for member in range(2):
        first, last = weights["encoder.0.weight"][member], weights["encoder.2.weight"][member]
        hidden = np.tanh(rows @ first + weights["encoder.0.bias"][member])
        jacobians = np.einsum("dh,nh,hz->ndz", first, 1 - hidden**2, last)
        np.testing.assert_allclose(scores[member], (jacobians**2).sum(axis=(1, 2)), rtol=1e-4)


@pytest.mark.parametrize("mode", ["exact", "hutchinson"])
def test_at_lambda_one_the_penalty_starts_as_large_as_the_error(mode: str):
    detector = start(build(mode=mode, lambda_weight=1.0))
    tolerance = 1e-4 if mode == "exact" else 0.25
    torch.testing.assert_close(
        loss_of(detector) / error_of(detector), 2 * torch.ones(2), rtol=tolerance, atol=0
    )


def test_the_loss_is_the_error_plus_lambda_times_the_penalty():
    detector = start(build(lambda_weight=0.3))
    first = relative_contraction(detector)
    for parameter in detector.network_parameters():
        parameter.data *= 1.5
    expected = error_of(detector).double() + 0.3 * error_of(start(build())).double() * torch.tensor(
        relative_contraction(detector) / first
    )
    torch.testing.assert_close(loss_of(detector).double(), expected, rtol=1e-4, atol=0)


def test_a_probe_agrees_with_the_exact_penalty_on_average():
    exact = start(build(lambda_weight=1.0))
    probed = start(build(lambda_weight=1.0, mode="hutchinson"))
    probed.penalty_scale.copy_(exact.penalty_scale)  # which is measured by a probe as well
    losses = torch.stack([loss_of(probed, seed) for seed in range(60)])
    assert (losses.std(0) > 0).all()
    torch.testing.assert_close(losses.mean(0), loss_of(exact), rtol=0.02, atol=0)


def test_smaller_codes_are_no_contraction():
    detector = start(build(lambda_weight=1.0))
    penalty = loss_of(detector) - error_of(detector)
    for name in ("weight", "bias"):
        getattr(detector.encoder[-1], name).data *= 0.01
    detector.decoder[0].weight.data *= 100
    torch.testing.assert_close(loss_of(detector) - error_of(detector), penalty, rtol=0.03, atol=0)


def test_the_scale_of_the_codes_has_no_gradient():
    detector, rows = start(build(lambda_weight=1.0)), torch.tensor(make_rows())
    batch = Batch(x_BD=rows, epoch=0, generator=torch.Generator(), row_ids=torch.arange(N_ROWS))
    penalty_S = detector.batch_loss(batch) - detector.codes(rows).mean_square_SB.mean(1)
    weight = detector.encoder[-1].weight  # the Jacobian and the variance do not see the bias
    (gradient,) = torch.autograd.grad(penalty_S.sum(), weight)
    along_S = (gradient * weight).sum((1, 2))
    assert (along_S.abs() < 1e-4 * gradient.norm(dim=(1, 2)) * weight.norm(dim=(1, 2))).all()


@pytest.mark.parametrize("mode", ["exact", "hutchinson"])
@pytest.mark.parametrize("norm", ["none", "layer"])
def test_a_larger_lambda_contracts_more(mode: str, norm: str):
    params: dict[str, Value] = {"mode": mode, "norm": norm, "n_epochs": 60, "learning_rate": 1e-2}
    weak = relative_contraction(make_fitted(**params, lambda_weight=1e-3))
    strong = relative_contraction(make_fitted(**params, lambda_weight=10.0))
    assert (strong < 0.5 * weak).all()


def test_long_codes_are_probed_even_in_exact_mode():
    assert torch.equal(loss_of(start(build(latent_size=32)), 1), loss_of(start(build(latent_size=32)), 2))
    assert not torch.equal(loss_of(start(build(latent_size=33)), 1), loss_of(start(build(latent_size=33)), 2))


def test_every_member_sees_the_same_probes():
    detector = start(build(n_members=3, mode="hutchinson"))
    for tensor in (*detector.parameters(), *detector.buffers()):
        tensor.data = tensor.data[:1].expand_as(tensor).clone()
    loss_S = loss_of(detector)
    assert len(set(loss_S.tolist())) == 1
    detector.keep_members(torch.tensor([True, False, False]))
    torch.testing.assert_close(loss_of(detector), loss_S[:1], rtol=1e-6, atol=0)


def test_the_penalty_sees_whole_batches_only():
    (phase,) = build().phases(N_ROWS)
    assert phase.drop_last


def test_batch_normalization_couples_rows_and_is_refused():
    with pytest.raises(TrialFailed, match="norm must be one of none, layer, got 'batch'"):
        build(norm="batch")
