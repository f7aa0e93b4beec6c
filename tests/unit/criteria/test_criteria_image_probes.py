"""The seven generators for images: what each changes, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest

from automl_ad.criteria import make_image_probes

SHAPES = [(1, 11, 11), (3, 11, 11), (1, 9, 13)]
"""Of odd areas: no rectangle is exactly one half, and every probe has one original."""


def images(shape, n_rows=20, seed=0) -> np.ndarray:
    """No two pixels of them are equal."""
    return (
        np.random.default_rng(seed).permuted(np.linspace(0, 1, n_rows * np.prod(shape))).reshape(n_rows, -1)
    )


def originals(probes_PD, pixels_ND) -> np.ndarray:
    """[P, D] the image that shares the most pixels with each probe."""
    return pixels_ND[(probes_PD[:, None] == pixels_ND[None]).sum(axis=2).argmax(axis=1)]


def has_row(pixels_ND, row_D) -> bool:
    return bool((pixels_ND == row_D).all(axis=1).any())


@pytest.mark.parametrize("shape", SHAPES)
def test_every_generator_gives_the_images_asked_for(shape):
    pixels = images(shape)
    before, probes = pixels.copy(), make_image_probes(pixels, shape, n_rows=30, seed=0)
    expected = ["cut_paste", "cut_mix", "rotate_90", "rotate_180", "blur", "noise", "contrast"]
    assert list(probes) == [name for name in expected if name != "rotate_90" or shape[1] == shape[2]]
    for rows in probes.values():
        assert rows.shape == (30, np.prod(shape))
        assert rows.min() >= 0
        assert rows.max() <= 1
        assert not any(has_row(pixels, row) for row in rows)
    np.testing.assert_array_equal(pixels, before)


def test_probes_follow_from_images_and_seed():
    pixels = images((1, 12, 12))
    first, again, other = (make_image_probes(pixels, (1, 12, 12), n_rows=30, seed=s) for s in (0, 0, 1))
    for name, rows in first.items():
        np.testing.assert_array_equal(rows, again[name])
        assert not np.array_equal(rows, other[name])


def test_no_generator_draws_from_the_stream_of_another():
    flat, square = images((1, 8, 18)), images((1, 12, 12))
    np.testing.assert_array_equal(flat, square)
    probes = [make_image_probes(flat, shape, n_rows=9, seed=0) for shape in ((1, 8, 18), (1, 12, 12))]
    for name in ("rotate_180", "contrast", "noise"):  # after rotate_90, which only squares have
        np.testing.assert_array_equal(probes[0][name], probes[1][name])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("name", "least", "most"), [("cut_paste", 0.02, 0.15), ("cut_mix", 0.15, 0.5)])
def test_a_rectangle_of_so_much_of_the_area_is_replaced_in_all_channels(shape, name, least, most):
    pixels = images(shape)
    probes = make_image_probes(pixels, shape, n_rows=200, seed=0)[name]
    is_changed = (probes != originals(probes, pixels)).reshape(-1, *shape)
    assert (is_changed == is_changed[:, :1]).all()
    for changed_HW in is_changed[:, 0]:
        lines, columns = changed_HW.any(axis=1), changed_HW.any(axis=0)
        np.testing.assert_array_equal(changed_HW, np.outer(lines, columns))
        assert np.ptp(np.flatnonzero(lines)) + 1 == lines.sum()
    shares = is_changed[:, 0].mean(axis=(1, 2))
    assert least <= shares.min() < shares.max() <= most
    assert shares.max() > 0.8 * most


@pytest.mark.parametrize("shape", SHAPES)
def test_cut_paste_stays_in_its_image_and_cut_mix_takes_the_same_place_of_another(shape):
    pixels = images(shape)
    probes = make_image_probes(pixels, shape, n_rows=50, seed=0)
    sources = originals(probes["cut_paste"], pixels)
    assert all(np.isin(row, source).all() for row, source in zip(probes["cut_paste"], sources, strict=True))
    assert (probes["cut_mix"][:, None] == pixels[None]).any(axis=1).all()


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 12, 12), (3, 8, 14)])
def test_rotations_are_exact(shape):
    pixels = images(shape)
    probes = make_image_probes(pixels, shape, n_rows=10, seed=0)
    turns = {"rotate_90": 3, "rotate_180": 2}  # three quarter turns more bring a quarter turn back
    for name in turns.keys() & probes.keys():
        back = np.rot90(probes[name].reshape(-1, *shape), turns[name], axes=(2, 3))
        assert all(has_row(pixels, row) for row in back.reshape(10, -1))


@pytest.mark.parametrize("shape", SHAPES)
def test_blur_keeps_the_mean_of_each_channel_and_takes_its_spread(shape):
    pixels = images(shape)
    means = pixels.reshape(-1, *shape).mean(axis=(2, 3))
    blurred = make_image_probes(pixels, shape, n_rows=40, seed=0)["blur"].reshape(-1, *shape)
    distances = np.abs(blurred.mean(axis=(2, 3))[:, None] - means[None]).max(axis=2).min(axis=1)
    assert distances.max() < 1e-12
    assert blurred.std(axis=(2, 3)).max() < pixels.reshape(-1, *shape).std(axis=(2, 3)).max()
    assert blurred.std(axis=(2, 3)).mean() < 0.9 * pixels.std()


def test_noise_grows_with_the_spread_of_the_pixels():
    pixels = 0.5 + 0.1 * (images((1, 12, 12)) - 0.5)
    spread = pixels.std()
    rows = make_image_probes(pixels, (1, 12, 12), n_rows=200, seed=0)["noise"]
    deviations = (rows[:, None] - pixels[None]).std(axis=2).min(axis=1) / spread
    assert 0.2 < deviations.min() < 0.35
    assert 0.8 < deviations.max() < 1.2


def test_contrast_keeps_the_mean_and_scales_the_deviations_both_ways():
    pixels = 0.5 + 0.2 * (images((3, 8, 8)) - 0.5)
    rows = make_image_probes(pixels, (3, 8, 8), n_rows=100, seed=0)["contrast"]
    deviations = pixels - pixels.mean(axis=1, keepdims=True)
    scaled = rows - rows.mean(axis=1, keepdims=True)
    factors = [next(_factors(row, deviations)) for row in scaled]
    less, more = [f for f in factors if f < 1], [f for f in factors if f > 1]
    assert 0.3 <= min(less) < max(less) <= 0.8
    assert 1.25 <= min(more) < max(more) <= 3.0
    assert 30 < len(less) < 70


def _factors(scaled_D, deviations_ND):
    """The factors by which a row is one of the others."""
    for deviations_D in deviations_ND:
        factor = scaled_D @ deviations_D / (deviations_D @ deviations_D)
        if np.allclose(scaled_D, factor * deviations_D):
            yield factor


def test_images_of_one_colour_and_a_single_image_are_no_error():
    for pixels in (np.ones((20, 16)), images((1, 4, 4), n_rows=1)):
        probes = make_image_probes(pixels, (1, 4, 4), n_rows=8, seed=0)
        assert all(rows.shape == (8, 16) for rows in probes.values())
        np.testing.assert_array_equal(probes["cut_mix"], np.repeat(pixels[:1], 8, axis=0))


def test_an_image_too_small_for_such_a_share_has_one_pixel_replaced():
    pixels = images((1, 2, 2))
    probes = make_image_probes(pixels, (1, 2, 2), n_rows=30, seed=0)["cut_paste"]
    assert (probes != originals(probes, pixels)).sum(axis=1).max() == 1
