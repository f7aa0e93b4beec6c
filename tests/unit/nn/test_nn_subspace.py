from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from automl_ad.nn.subspace import SubspaceEncoder, distance_to_subspace, orthogonality_loss


def make_bases() -> tuple[Tensor, Tensor]:
    """Any [2, 6, 3], and one with orthonormal columns."""
    any_SCZ = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    return any_SCZ, torch.linalg.qr(any_SCZ).Q


def test_orthonormal_columns_cost_nothing():
    any_SCZ, orthonormal_SCZ = make_bases()
    np.testing.assert_allclose(orthogonality_loss(orthonormal_SCZ), 0, atol=1e-12)
    for member, basis in enumerate(any_SCZ.numpy()):
        entries = [
            (sum(basis[c, i] * basis[c, j] for c in range(6)) - (i == j)) ** 2
            for i in range(3)
            for j in range(3)
        ]
        np.testing.assert_allclose(orthogonality_loss(any_SCZ)[member], np.mean(entries), rtol=1e-5)


def test_distance_to_the_subspace():
    any_SCZ, orthonormal_SCZ = make_bases()
    within_SBC = torch.randn(2, 5, 3) @ orthonormal_SCZ.mT
    np.testing.assert_allclose(distance_to_subspace(within_SBC, orthonormal_SCZ), 0, atol=1e-5)
    y_SBC = torch.randn(2, 5, 6)
    for member in range(2):
        for row in range(5):
            y, basis = y_SBC[member, row].numpy(), any_SCZ[member].numpy()
            expected = np.sqrt(((y - basis @ (basis.T @ y)) ** 2).sum())
            np.testing.assert_allclose(distance_to_subspace(y_SBC, any_SCZ)[member, row], expected, rtol=1e-5)


def test_a_code_on_the_subspace_has_a_finite_gradient():
    basis_SCZ = torch.eye(4)[None, :, :2].clone().requires_grad_()
    distance_to_subspace(torch.zeros(1, 3, 4), basis_SCZ).sum().backward()
    assert basis_SCZ.grad is not None
    assert basis_SCZ.grad.isfinite().all()


def test_codes_are_normalised_or_not():
    basis_SCZ = make_bases()[0]
    y_SBC = torch.randn(2, 5, 6)
    plain = SubspaceEncoder(nn.Identity(), basis_SCZ, is_normalised=False)(y_SBC)
    torch.testing.assert_close(plain, torch.einsum("sbc,scz->sbz", y_SBC, basis_SCZ))
    unit = SubspaceEncoder(nn.Identity(), basis_SCZ, is_normalised=True)(y_SBC)
    torch.testing.assert_close(unit, plain / plain.norm(dim=-1, keepdim=True))
    zero = SubspaceEncoder(nn.Identity(), basis_SCZ, is_normalised=True)(torch.zeros(2, 1, 6))
    assert torch.equal(zero, torch.zeros(2, 1, 3))
