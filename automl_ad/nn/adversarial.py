"""What adversarial training needs: priors, critics kept smooth, discriminators' losses.

Every function works member by member. Shapes: S members, B rows, Z values of a point, for example of a code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Prior = Literal["normal", "uniform"]


def draw_prior(prior: Prior, n_rows: int, size: int, generator: torch.Generator) -> Tensor:
    """[B, Z] from N(0, 1) or U(-1, 1), the same rows for every member, on the generator's device.

    >>> draw_prior("uniform", 3, 2, torch.Generator()).shape
    torch.Size([3, 2])
    """
    shape, device = (n_rows, size), generator.device
    if prior == "normal":
        return torch.randn(shape, generator=generator, device=device)
    return 2 * torch.rand(shape, generator=generator, device=device) - 1


def gradient_penalty(critic: Callable[[Tensor], Tensor], points_SBZ: Tensor) -> Tensor:
    """[S], mean of (||dC/dpoint|| - 1)^2 over the points (Gulrajani et al. 2017, eq. 3).

    The critic must judge each point by itself: no batch normalization.
    """
    with torch.enable_grad():
        points_SBZ = points_SBZ.detach().requires_grad_()
        # Members and rows do not mix, so the gradient of the sum is every point's own.
        (slope_SBZ,) = torch.autograd.grad(critic(points_SBZ).sum(), points_SBZ, create_graph=True)
    excess_SB: Tensor = torch.linalg.vector_norm(slope_SBZ, dim=-1) - 1
    return excess_SB.square().mean(1)


def between(one_SBZ: Tensor, other_SBZ: Tensor, generator: torch.Generator) -> Tensor:
    """[S, B, Z], on each row a random point of the line between the two: where the penalty is taken."""
    share_B1 = torch.rand(one_SBZ.shape[-2], 1, generator=generator, device=generator.device)
    return torch.lerp(one_SBZ, other_SBZ, share_B1)


@torch.no_grad()
def clip_weights(parameters: Iterable[nn.Parameter], bound: float) -> None:
    """Every value into [-bound, bound], which keeps a critic's slope finite (Arjovsky et al. 2017)."""
    for parameter in parameters:
        parameter.clamp_(-bound, bound)


def judged_real(logits_SB1: Tensor, label: float = 1.0) -> Tensor:
    """[S], mean cross-entropy of the logits against `label`; 0.9 is one-sided smoothing.

    >>> judged_real(torch.zeros(1, 4, 1))
    tensor([0.6931])
    """
    logits_SB = logits_SB1.squeeze(-1)
    labels_SB = torch.full_like(logits_SB, label)
    return F.binary_cross_entropy_with_logits(logits_SB, labels_SB, reduction="none").mean(1)


def judged_fake(logits_SB1: Tensor) -> Tensor:
    """[S], mean cross-entropy of the logits against 0."""
    return judged_real(logits_SB1, label=0.0)


@contextmanager
def moments_at_rest(*networks: nn.Module) -> Iterator[None]:
    """Within, the networks are in eval mode: opponents and random codes move no running moments."""
    were_training = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for network, was_training in zip(networks, were_training, strict=True):
            network.train(was_training)
