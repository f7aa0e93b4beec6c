from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from automl_ad.detectors.phases import Batch
from automl_ad.detectors.pixelcnn import PixelCnn
from automl_ad.errors import TrialFailed
from automl_ad.results import Value


def build(n_features: int, **params: Value) -> PixelCnn:
    return PixelCnn.build(params, n_features=n_features, n_members=2, seed=5)


@pytest.mark.parametrize("n_colors", [1, 3])
def test_every_sub_pixel_sees_only_earlier_ones(n_colors: int):
    """Earlier: lines above, to the left on the line, of the same pixel red before green before blue."""
    side = 5
    n_features = n_colors * side * side
    detector = build(n_features, n_filters=48, levels=4).double()
    image_BD = torch.rand(1, n_features, dtype=torch.float64)

    def summed_logits(x_BD: torch.Tensor) -> torch.Tensor:
        weights_K = torch.linspace(1, 2, 4, dtype=torch.float64)
        return (detector.logits(x_BD) * weights_K).sum(-1)[:, 0]  # [S, D]

    jacobian_SDD = torch.autograd.functional.jacobian(summed_logits, image_BD)[:, :, 0]
    place = [(i % side**2) * n_colors + i // side**2 for i in range(n_features)]  # (C, H, W) to reading order
    order = np.argsort(place)
    in_order = jacobian_SDD.numpy()[:, order][:, :, order]
    assert (in_order[:, *np.triu_indices(n_features)] == 0).all()
    for member in in_order:
        next_to = [member[i, i - 1] for i in range(1, n_features) if i % (side * n_colors) != 0]
        assert np.count_nonzero(next_to) == len(next_to)  # the one before, on the same line
        above = [member[i, i - side * n_colors] for i in range(side * n_colors, n_features)]
        assert np.count_nonzero(above) == len(above)


@pytest.mark.parametrize("n_features", [4, 3])
def test_probabilities_of_all_images_sum_to_one(n_features: int):
    """Two levels: 2 x 2 of one colour, and a single pixel of three."""
    images = np.array(list(itertools.product([0.0, 1.0], repeat=n_features)), dtype=np.float32)
    bits = build(n_features, levels=2).scores(images)["nll"] * n_features
    probabilities = np.exp2(-bits)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert np.ptp(probabilities, axis=1).min() > 1e-3


def test_a_member_is_a_network_of_its_own():
    detector, x_BD = build(16), torch.rand(3, 16)
    together = detector.scores(x_BD.numpy())["nll"]
    detector.keep_members(torch.tensor([False, True]))
    np.testing.assert_allclose(detector.scores(x_BD.numpy())["nll"], together[1:], rtol=1e-5)
    assert abs(together[0] - together[1]).min() > 1e-4


def test_the_loss_is_the_mean_score():
    detector, x_BD = build(48), torch.rand(7, 48)
    (phase,) = detector.phases(7)
    batch = Batch(x_BD=x_BD, epoch=0, generator=torch.Generator(), row_ids=torch.arange(7))
    scores = detector.scores(x_BD.numpy())["nll"]
    np.testing.assert_allclose(phase.steps[0].loss(batch).detach(), scores.mean(1), rtol=1e-5)
    assert phase.lr_factor is not None
    assert phase.lr_factor(2) == pytest.approx(0.998, abs=1e-5)


def test_an_untrained_network_needs_about_all_bits():
    for levels in (16, 32):
        bits = build(64, levels=levels).scores(np.random.default_rng(0).random((5, 64)).astype(np.float32))
        assert abs(bits["nll"].mean() - math.log2(levels)) < 0.3


def test_levels_are_equal_parts_of_the_unit_interval():
    detector = build(4, levels=16)
    x_BD = torch.tensor([[0.0, 15 / 255, 16 / 255, 1.0], [-0.5, 0.5, 254 / 255, 1.5]])
    assert detector.levels(x_BD).tolist() == [[0, 0, 1, 15], [0, 8, 15, 15]]


def test_complexity_is_the_entropy_of_the_steps_along_a_line():
    flat, steps = np.zeros((1, 16)), np.tile([0.0, 0.25, 0.75, 1.0], 4)[None]
    scores = build(16, levels=4).scores(np.concatenate([flat, steps]).astype(np.float32))
    complexity = scores["nll"] - scores["nll_minus_complexity"]
    # levels 0 1 3 3: steps 0, 1, 2, 0 on each of the four lines, so shares 1/2, 1/4, 1/4
    np.testing.assert_allclose(complexity, [[0, 1.5]] * 2, atol=1e-5)


@pytest.mark.parametrize(
    ("n_features", "shape"), [(784, (1, 28)), (3072, (3, 32)), (64, (1, 8)), (192, (3, 8)), (3, (3, 1))]
)
def test_the_shape_follows_from_the_number_of_features(n_features: int, shape: tuple[int, int]):
    detector = build(n_features)
    assert (detector.n_colors, detector.side) == shape


@pytest.mark.parametrize("n_features", [7, 2, 785, 4 * 64 + 1])
def test_other_numbers_of_features_are_refused(n_features: int):
    with pytest.raises(TrialFailed, match=rf"square images of 1 or 3 colours: .* got {n_features}$"):
        build(n_features)


def test_only_pixels_in_the_unit_interval_can_be_read():
    with pytest.raises(TrialFailed, match="prep must be one of unit, got 'zscore'"):
        build(64, prep="zscore")
