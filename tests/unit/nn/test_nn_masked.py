from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from automl_ad.nn.masked import MemberMaskedLinear, degree_mask, masked_mlp

N_PLACES, N_CHANNELS, N_OUT = 4, 3, 2


def make_net(strict: Literal["first", "last"]) -> nn.Sequential:
    place = torch.arange(N_PLACES)
    hidden = place.repeat_interleave(N_CHANNELS)
    return masked_mlp(
        [place, hidden, hidden, place.repeat_interleave(N_OUT)],
        strict=strict,
        n_members=2,
        generator=torch.Generator().manual_seed(0),
        activation="tanh",
    )


def dependence(net: nn.Module) -> Tensor:
    """[out place, in place], the largest |d output / d input| of any member, output of the place and row."""
    x_BD = torch.randn(5, N_PLACES, generator=torch.Generator().manual_seed(1))
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x).sum(1), x_BD)  # [S, D * out, B, D]
    return jacobian.abs().unflatten(1, (N_PLACES, N_OUT)).amax((0, 2, 3))


@pytest.mark.parametrize("strict", ["first", "last"])
def test_an_output_depends_on_all_inputs_before_it_and_on_no_others(strict: Literal["first", "last"]):
    net = make_net(strict)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(3):
        depends = dependence(net) > 0
        assert torch.equal(depends, torch.ones(N_PLACES, N_PLACES).tril(-1).bool())
        net(torch.randn(8, N_PLACES)).square().mean().backward()
        optimizer.step()


def test_only_the_strict_layer_hides_a_place_from_itself():
    net = make_net("first")
    first, *others = [layer for layer in net if isinstance(layer, MemberMaskedLinear)]
    place = torch.arange(N_PLACES)
    assert torch.equal(first.mask_IO, degree_mask(place, place.repeat_interleave(N_CHANNELS), strict=True))
    assert [int(layer.mask_IO.sum()) for layer in others] == [10 * 3 * 3, 10 * 3 * 2]


def test_a_cut_weight_counts_for_nothing_whatever_its_value():
    net = make_net("last")
    x_BD = torch.randn(5, N_PLACES)
    before = net(x_BD)
    with torch.no_grad():
        for layer in net:
            if isinstance(layer, MemberMaskedLinear):
                layer.weight += 7 * (1 - layer.mask_IO)
    torch.testing.assert_close(net(x_BD), before)


def test_weights_start_by_the_inputs_that_are_left():
    mask_IO = torch.ones(400, 300)
    mask_IO[16:, 150:] = 0
    layer = MemberMaskedLinear(mask_IO, n_members=2, generator=torch.Generator().manual_seed(0))
    assert layer.weight[:, :, :150].abs().max().item() == pytest.approx(1 / 20, rel=0.01)
    assert layer.weight[:, :16, 150:].abs().max().item() == pytest.approx(1 / 4, rel=0.01)


def test_masks_move_with_the_weights_but_are_not_kept():
    net = make_net("first").double()
    assert net(torch.zeros(5, N_PLACES, dtype=torch.float64)).dtype == torch.float64
    assert all(tensor.shape[0] == 2 for tensor in net.state_dict().values())
    assert list(net.buffers()) == []
