from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from automl_ad.nn import Activation, MemberLinear, Norm, default_latent_size, hidden_sizes, mlp


def make(norm: Norm = "none", n_members: int = 4, activation: Activation = "leaky_relu") -> nn.Sequential:
    return mlp(
        [6, 8, 3],
        n_members=n_members,
        generator=torch.Generator().manual_seed(0),
        activation=activation,
        norm=norm,
        output="tanh",
    )


def train(network: nn.Sequential, n_steps: int = 3) -> list[Tensor]:
    """The parameters after some steps on fixed rows."""
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01, fused=True)
    x_BD = torch.randn(10, 6, generator=torch.Generator().manual_seed(7))
    for _ in range(n_steps):
        network(x_BD).square().mean((1, 2)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize("norm", get_args(Norm))
def test_a_lost_member_leaves_the_others_bit_equal(norm: Norm):
    healthy, damaged = make(norm), make(norm)
    first = damaged[0]
    assert isinstance(first, MemberLinear)
    with torch.no_grad():
        first.weight[1] = torch.nan
    others = torch.tensor([0, 2, 3])
    for ours, theirs in zip(train(damaged), train(healthy), strict=True):
        assert torch.equal(ours[others], theirs[others])
    assert first.weight[1].isnan().all()


@pytest.mark.parametrize("activation", get_args(Activation))
def test_one_member_is_a_plain_network(activation: Activation):
    network = make(n_members=1, activation=activation)
    modules = {"leaky_relu": nn.LeakyReLU(0.01), "relu": nn.ReLU(), "tanh": nn.Tanh(), "gelu": nn.GELU()}
    plain = nn.Sequential(nn.Linear(6, 8), modules[activation], nn.Linear(8, 3), nn.Tanh())
    with torch.no_grad():
        for ours, theirs in zip(network, plain, strict=True):
            if isinstance(ours, MemberLinear) and isinstance(theirs, nn.Linear):
                assert ours.bias is not None
                theirs.weight.copy_(ours.weight[0].T)
                theirs.bias.copy_(ours.bias[0, 0])
    x_BD = torch.randn(5, 6)
    torch.testing.assert_close(network(x_BD)[0], plain(x_BD))


def test_only_hidden_layers_are_normalized():
    assert [type(layer).__name__ for layer in make("batch")] == [
        "MemberLinear",
        "MemberBatchNorm",
        "LeakyReLU",
        "MemberLinear",
        "Tanh",
    ]


def test_without_free_constants_zero_stays_zero():
    generator = torch.Generator()
    network = mlp([6, 8, 3], n_members=2, generator=generator, norm="batch", bias=False, affine=False).eval()
    assert torch.equal(network(torch.zeros(4, 6)), torch.zeros(2, 4, 3))


@given(n_features=st.integers(1, 5_000), n_layers=st.integers(1, 3))
def test_sizes_follow_the_rule(n_features: int, n_layers: int):
    sizes = hidden_sizes(n_features, n_layers)
    assert len(sizes) == n_layers
    assert 32 <= sizes[0] <= 512
    assert sizes[0] == 32 or sizes[0] == 512 or n_features / 2 <= sizes[0] < n_features
    assert all(later == max(16, earlier // 2) for earlier, later in pairwise(sizes))
    assert 2 <= default_latent_size(n_features) <= 64
