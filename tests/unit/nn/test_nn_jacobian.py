from __future__ import annotations

from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from automl_ad.nn import Activation, MemberBatchNorm, MemberLinear, jacobian, mlp
from automl_ad.nn.jacobian import pull_back, squared_jacobian_norm, squared_jacobian_probe

N_MEMBERS, N_ROWS, N_FEATURES, N_OUTPUTS = 3, 7, 5, 4


def make_rows() -> Tensor:
    return 2 * torch.randn(N_ROWS, N_FEATURES, generator=torch.Generator().manual_seed(1))


def make_stack(
    activation: Activation = "tanh", norm: str = "none", output: Activation | None = None
) -> nn.Sequential:
    generator = torch.Generator().manual_seed(0)
    stack = mlp(
        [N_FEATURES, 9, 6, N_OUTPUTS],
        n_members=N_MEMBERS,
        generator=generator,
        activation=activation,
        norm="layer" if norm == "layer" else "none",
        output=output,
    )
    for parameter in stack.parameters():  # off the ones and zeros that normalization begins with
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return stack


def jacobians_by_autograd(stack: nn.Sequential, x_BD: Tensor) -> Tensor:
    """[S, B, Z, D], one member and one row at a time."""

    def of_one(member: int, x_D: Tensor) -> Tensor:
        return torch.autograd.functional.jacobian(lambda row_D: stack(row_D[None])[member, 0], x_D)

    return torch.stack([torch.stack([of_one(member, x_D) for x_D in x_BD]) for member in range(N_MEMBERS)])


@pytest.mark.parametrize("output", [None, "tanh"])
@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("activation", get_args(Activation))
def test_the_jacobian_is_autograds(activation: Activation, norm: str, output: Activation | None):
    stack, x_BD = make_stack(activation, norm, output), make_rows()
    expected = jacobians_by_autograd(stack, x_BD)
    identity = torch.eye(N_OUTPUTS).expand(N_MEMBERS, 1, -1, -1)
    torch.testing.assert_close(pull_back(stack, x_BD, identity), expected, rtol=1e-4, atol=1e-5)
    norm2 = expected.square().sum((2, 3))
    torch.testing.assert_close(squared_jacobian_norm(stack, x_BD), norm2, rtol=1e-4, atol=1e-5)


def test_one_tanh_layer_has_the_closed_form():
    layer = MemberLinear(N_FEATURES, N_OUTPUTS, n_members=N_MEMBERS, generator=torch.Generator())
    x_BD = make_rows()
    z_SBZ = layer(x_BD).tanh()
    expected = ((1 - z_SBZ**2) ** 2 * (layer.weight**2).sum(1, keepdim=True)).sum(-1)
    got = squared_jacobian_norm(nn.Sequential(layer, nn.Tanh()), x_BD)
    torch.testing.assert_close(got, expected)


def test_a_linear_stack_has_the_same_jacobian_everywhere():
    layer = MemberLinear(N_FEATURES, N_OUTPUTS, n_members=N_MEMBERS, generator=torch.Generator())
    expected = (layer.weight**2).sum((1, 2)).unsqueeze(1).expand(-1, N_ROWS)
    torch.testing.assert_close(squared_jacobian_norm(nn.Sequential(layer), make_rows()), expected)


def test_the_mean_over_probes_is_the_exact_norm():
    stack, n_probes = make_stack(), 4_000
    x_D, generator = make_rows()[0], torch.Generator().manual_seed(2)
    probes = torch.randint(2, (n_probes, N_OUTPUTS), generator=generator) * 2.0 - 1.0
    with torch.no_grad():
        estimates = squared_jacobian_probe(stack, x_D.expand(n_probes, -1), probes)
        exact = squared_jacobian_norm(stack, x_D[None])
    assert (estimates.std(1) > 0.1 * exact[:, 0]).all()  # a probe is not the norm itself
    torch.testing.assert_close(estimates.mean(1, keepdim=True), exact, rtol=0.03, atol=0.0)


def test_every_row_is_probed_by_its_own_vector():
    stack, x_BD = make_stack(), make_rows()
    probes = torch.randn(N_ROWS, N_OUTPUTS, generator=torch.Generator().manual_seed(3))
    expected = torch.einsum("bz,sbzd->sbd", probes, jacobians_by_autograd(stack, x_BD)).square().sum(-1)
    torch.testing.assert_close(squared_jacobian_probe(stack, x_BD, probes), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_the_norm_can_be_differentiated_again(activation: Activation):
    stack, x_BD = make_stack(activation, "layer").double(), make_rows().double()
    weight, step = stack[0].weight, 1e-5
    (gradient,) = torch.autograd.grad(squared_jacobian_norm(stack, x_BD)[1].sum(), weight)
    assert gradient[0].abs().max() == 0  # members never mix
    with torch.no_grad():
        values = []
        for change in (step, -2 * step):
            weight[1, 2, 3] += change
            values.append(squared_jacobian_norm(stack, x_BD)[1].sum())
    torch.testing.assert_close(gradient[1, 2, 3], (values[0] - values[1]) / (2 * step), rtol=1e-5, atol=1e-7)


def test_blocks_without_gradient_give_the_same_norms(monkeypatch: pytest.MonkeyPatch):
    stack, x_BD = make_stack(norm="layer"), make_rows()
    whole = squared_jacobian_norm(stack, x_BD).detach()
    monkeypatch.setattr(jacobian, "BLOCK_VALUES", 2 * N_MEMBERS * N_OUTPUTS * 9)
    with torch.inference_mode():
        torch.testing.assert_close(squared_jacobian_norm(stack, x_BD), whole)
        assert squared_jacobian_norm(stack, x_BD[:0]).shape == (N_MEMBERS, 0)


def test_a_layer_that_couples_rows_is_refused():
    layer = MemberLinear(N_FEATURES, N_OUTPUTS, n_members=N_MEMBERS, generator=torch.Generator())
    coupled = nn.Sequential(layer, MemberBatchNorm(N_OUTPUTS, n_members=N_MEMBERS))
    with pytest.raises(TypeError, match="MemberBatchNorm"):
        squared_jacobian_norm(coupled, make_rows())
