from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from automl_ad.nn import MemberLinear


def make_layer(n_members: int = 3, *, bias: bool = True) -> MemberLinear:
    return MemberLinear(5, 4, n_members=n_members, generator=torch.Generator().manual_seed(0), bias=bias)


@pytest.mark.parametrize("bias", [True, False])
def test_every_member_is_a_linear_layer_of_its_own(bias: bool):
    layer = make_layer(bias=bias)
    x_SBD = torch.randn(3, 7, 5)
    for member in range(3):
        plain = nn.Linear(5, 4, bias=bias)
        with torch.no_grad():
            plain.weight.copy_(layer.weight[member].T)
            if layer.bias is not None:
                plain.bias.copy_(layer.bias[member, 0])
        torch.testing.assert_close(layer(x_SBD)[member], plain(x_SBD[member]))


def test_shared_rows_equal_repeated_rows():
    x_BD = torch.randn(7, 5)
    layer = make_layer()
    torch.testing.assert_close(layer(x_BD), layer(x_BD.repeat(3, 1, 1)))


def test_members_start_apart_and_like_torch():
    n_in = 400
    layer = MemberLinear(n_in, 300, n_members=2, generator=torch.Generator().manual_seed(1))
    torch.manual_seed(1)
    plain = nn.Linear(n_in, 300)
    assert not torch.equal(layer.weight[0], layer.weight[1])
    for ours, theirs in ((layer.weight, plain.weight), (layer.bias, plain.bias)):
        assert ours is not None
        assert ours.abs().max() <= 1 / math.sqrt(n_in)
        for member in ours:
            assert member.std().item() == pytest.approx(theirs.std().item(), rel=0.15)
            assert member.abs().max().item() == pytest.approx(theirs.abs().max().item(), rel=0.02)


def test_the_generator_decides_the_weights():
    torch.manual_seed(0)
    first = make_layer()
    torch.manual_seed(1)
    assert torch.equal(first.weight, make_layer().weight)
