from __future__ import annotations

import pytest
import torch
from torch import nn

from automl_ad.nn import MemberBatchNorm, MemberLayerNorm


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_is_torchs_for_every_member(affine: bool):
    ours = MemberBatchNorm(4, n_members=3, affine=affine)
    theirs = [nn.BatchNorm1d(4, affine=affine) for _ in range(3)]
    for _ in range(3):
        x_SBH = 5 * torch.randn(3, 16, 4) + 2
        normalized = ours(x_SBH)
        for member, plain in enumerate(theirs):
            torch.testing.assert_close(normalized[member], plain(x_SBH[member]))
    ours.eval()
    x_SBH = torch.randn(3, 2, 4)
    for member, plain in enumerate(theirs):
        torch.testing.assert_close(ours(x_SBH)[member], plain.eval()(x_SBH[member]))


@pytest.mark.parametrize("make", [MemberBatchNorm, MemberLayerNorm])
def test_affine_weights_belong_to_a_member(make: type[MemberBatchNorm] | type[MemberLayerNorm]):
    layer = make(4, n_members=2)
    x_SBH = torch.randn(2, 8, 4)
    before = layer(x_SBH)
    assert layer.weight is not None
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight[1] = 3.0
        layer.bias[1] = 1.0
    after = layer(x_SBH)
    torch.testing.assert_close(after[0], before[0])
    torch.testing.assert_close(after[1], 3 * before[1] + 1)


def test_layer_norm_is_torchs():
    x_SBH = 3 * torch.randn(3, 8, 4) + 1
    torch.testing.assert_close(MemberLayerNorm(4, n_members=3)(x_SBH), nn.LayerNorm(4)(x_SBH))
    without = MemberLayerNorm(4, n_members=3, affine=False)
    torch.testing.assert_close(without(x_SBH), nn.LayerNorm(4)(x_SBH))
    assert not list(without.parameters())
