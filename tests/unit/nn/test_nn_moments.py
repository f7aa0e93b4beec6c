from __future__ import annotations

import numpy as np
import torch

from automl_ad.nn import Moments


def test_blocks_give_the_moments_of_the_whole():
    values_SBF = torch.randn(2, 100, 3) * 0.01 + 1_000  # a large mean is where float32 sums fail
    plain, full = Moments(), Moments(with_covariance=True)
    for block in torch.split(values_SBF, 30, dim=1):
        plain.add(block)
        full.add(block)
    values = values_SBF.double().numpy()
    np.testing.assert_allclose(plain.mean_SF, values.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(plain.variance_SF, values.var(axis=1), rtol=1e-4)
    for member in range(2):
        expected = np.cov(values[member].T, ddof=0)
        np.testing.assert_allclose(full.covariance_SFF[member], expected, atol=1e-8)
