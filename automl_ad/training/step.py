"""One optimizer step for all members: backward, clip and freeze member by member, move.

Shapes: S members.
"""

from __future__ import annotations

import torch
from torch import Tensor

from automl_ad.detectors.phases import Batch, Step

MAX_GRADIENT_NORM = 5.0
"""METHODS 0.4, for every member by itself."""


class StepRunner:
    """A step of a phase with its optimizer, which lives as long as the phase."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self._optimizer = make_optimizer(step)

    def run(self, batch: Batch, alive_S: Tensor) -> Tensor:
        """Losses [S] before the last repeat. Members with a non-finite gradient leave `alive_S`."""
        for _ in range(self.step.repeats - 1):
            self._run_once(batch, alive_S)
        return self._run_once(batch, alive_S)

    def _run_once(self, batch: Batch, alive_S: Tensor) -> Tensor:
        loss_S = self.step.loss(batch)
        torch.autograd.backward(loss_S.sum(), inputs=self.step.parameters)
        clip_and_freeze([p.grad for p in self.step.parameters if p.grad is not None], alive_S)
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self.step.after is not None:
            with torch.no_grad():
                self.step.after(batch)
        return loss_S.detach()

    def set_lr(self, factor: float) -> None:
        """Multiply the step's own learning rate."""
        for group in self._optimizer.param_groups:
            group["lr"] = self.step.optimizer.lr * factor

    def keep_members(self, alive_S: Tensor) -> None:
        """Drop members from the optimizer's memory; call after the detector dropped them."""
        for memory in self._optimizer.state.values():
            for name, value in memory.items():
                if value.dim() > 0:
                    memory[name] = value[alive_S]


def clip_and_freeze(gradients: list[Tensor], alive_S: Tensor) -> None:
    """Scale each member's gradients to norm 5 at most; zero those of lost members, and note the loss.

    Changes the gradients and `alive_S` in place.
    """
    norm_S = torch.linalg.vector_norm(torch.cat([g.flatten(1) for g in gradients], dim=1), dim=1)
    if bool((norm_S <= MAX_GRADIENT_NORM).all()):  # the usual batch; False with a NaN
        return
    alive_S &= norm_S.isfinite()
    factor_S = (MAX_GRADIENT_NORM / norm_S).clamp(max=1.0)
    for gradient in gradients:
        shape = (-1, *[1] * (gradient.dim() - 1))
        gradient.mul_(factor_S.view(shape)).masked_fill_(~alive_S.view(shape), 0.0)


def make_optimizer(step: Step) -> torch.optim.Optimizer:
    """The torch optimizer of a step; Adam and SGD in their fused form, which pays off for small networks."""
    spec = step.optimizer
    parameters = list(step.parameters)
    options = {"lr": spec.lr, "weight_decay": spec.weight_decay, **spec.options}
    if spec.kind == "adam":
        return torch.optim.Adam(parameters, fused=True, **options)
    if spec.kind == "sgd":
        return torch.optim.SGD(parameters, fused=True, **options)
    if spec.kind == "rmsprop":
        return torch.optim.RMSprop(parameters, **options)
    return torch.optim.Adagrad(parameters, **options)
