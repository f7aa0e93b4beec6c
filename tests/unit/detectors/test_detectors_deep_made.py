from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.stats import rankdata
from torch.distributions import (
    AffineTransform,
    Categorical,
    MixtureSameFamily,
    SigmoidTransform,
    TransformedDistribution,
    Uniform,
)

from automl_ad.detectors.made import Made, log_mixture_of_logistics
from automl_ad.detectors.phases import Batch
from automl_ad.errors import TrialFailed
from automl_ad.results import Value
from automl_ad.training import fit

Rows = npt.NDArray[np.float32]


def make_rows(n_rows: int = 150, n_features: int = 5) -> Rows:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(n_features, n_features))
    return (10 + 3 * rng.normal(size=(n_rows, n_features)) @ mixing).astype(np.float32)


def make_fitted(rows: Rows, **params: Value) -> Made:
    detector = Made.build({"n_epochs": 5, **params}, n_features=rows.shape[1], n_members=2, seed=0)
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def logistic(location: torch.Tensor, scale: torch.Tensor) -> TransformedDistribution:
    uniform = Uniform(torch.zeros_like(location), torch.ones_like(location), validate_args=False)
    return TransformedDistribution(
        uniform, [SigmoidTransform().inv, AffineTransform(location, scale)], validate_args=False
    )


def make_parts() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logit, location, raw = torch.randn(3, 6, 4, generator=generator, dtype=torch.float64)
    return logit, location, 0.3 + raw.exp()


def test_the_log_density_is_that_of_torch():
    logit, location, scale = make_parts()
    parts = logistic(location, scale)
    oracle = MixtureSameFamily(Categorical(logits=logit), parts, validate_args=False)
    x = 3 * torch.randn(6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(log_mixture_of_logistics(x, logit, location, scale), oracle.log_prob(x))


def test_the_density_integrates_to_one():
    logit, location, scale = make_parts()
    x = torch.linspace(-400, 400, 400_001, dtype=torch.float64).unsqueeze(1)
    mass = torch.trapezoid(log_mixture_of_logistics(x, logit, location, scale).exp(), x, dim=0)
    torch.testing.assert_close(mass, torch.ones_like(mass), rtol=1e-6, atol=0)


def test_a_value_far_out_costs_in_proportion_to_its_distance():
    logit, location, scale = (part.float() for part in make_parts())
    near, far = (-log_mixture_of_logistics(torch.full((6,), x), logit, location, scale) for x in (1e4, 1e6))
    assert far.isfinite().all()
    torch.testing.assert_close(far / near, torch.full((6,), 100.0), rtol=0.01, atol=0)


@pytest.mark.parametrize("column_order", ["natural", "random"])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_conditional_depends_on_the_columns_before_it_also_after_training(column_order: str, norm: str):
    detector = make_fitted(make_rows(), learning_rate=1e-2, column_order=column_order, norm=norm)
    order = np.argsort(detector.arrays()["column_key"], axis=1)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: detector.network(detector.ordered(x)).sum(1), torch.tensor(make_rows(7))
    )  # [S, D * 3 * K, B, D]
    size = jacobian.abs().unflatten(1, (5, -1)).amax((2, 3))  # [S, place, column]
    assert size.max() > 0
    for member in range(2):
        by_place = size[member][:, torch.tensor(order[member])]
        assert torch.equal(by_place > 0, torch.ones(5, 5).tril(-1).bool())


def test_the_density_of_two_columns_integrates_to_one():
    detector = make_fitted(make_rows(150, 2), n_epochs=20)
    axis = np.linspace(-30, 30, 401)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    mean, std = (detector.arrays()[f"column_{name}"][0].astype(float) for name in ("mean", "std"))
    nll = detector.scores((grid * std + mean).astype(np.float32))["nll"]
    density = np.exp(-nll).reshape(2, 401, 401)
    np.testing.assert_allclose(np.trapezoid(np.trapezoid(density, axis), axis), 1.0, rtol=0.01)


def test_a_row_that_breaks_the_dependency_is_found_though_each_column_is_usual():
    rng = np.random.default_rng(0)
    first = rng.uniform(-1.7, 1.7, size=500)
    rows = np.stack([first, first + 0.1 * rng.normal(size=500)], axis=1)
    strange = rng.uniform(-1.7, 1.7, size=(400, 2))
    rows[-20:] = strange[np.abs(strange[:, 0] - strange[:, 1]) > 0.8][:20]
    detector = make_fitted(rows.astype(np.float32), n_epochs=30)
    for name, values in detector.scores(rows.astype(np.float32)).items():
        auc = (rankdata(values.mean(axis=0))[-20:].sum() - 20 * 21 / 2) / (20 * 480)
        assert auc > 0.9, name


def test_columns_are_standardised_and_a_constant_one_is_only_centred():
    rows = make_rows()
    rows[:, 3] = 1e4 + 0.1
    detector = make_fitted(rows)
    with torch.no_grad():
        x = detector.ordered(torch.tensor(rows))[0].numpy()
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(x.std(axis=0), [1, 1, 1, 0, 1], rtol=1e-3)


def test_units_of_the_columns_do_not_matter():
    rows, unit = make_rows(), np.array([0.01, 1, 1, 100, 1], dtype=np.float32)
    plain, scaled = make_fitted(rows).scores(rows), make_fitted(rows * unit).scores(rows * unit)
    for name, values in plain.items():
        np.testing.assert_allclose(scaled[name], values, rtol=0.01, atol=0.01)


@pytest.mark.parametrize("scale_floor", [0.05, 0.5])
def test_a_discrete_column_is_no_more_probable_than_the_floor_allows(scale_floor: float):
    rows = np.random.default_rng(0).integers(0, 2, size=(200, 1)).astype(np.float32)
    detector = make_fitted(rows, scale_floor=scale_floor, n_epochs=300, learning_rate=1e-2)
    nll = detector.scores(rows)["nll"]
    assert (nll > np.log(4 * scale_floor)).all()  # the peak of a logistic is 1 / (4 scale)
    # each of the two values holds half of the mass
    np.testing.assert_allclose(nll.mean(), np.log(4 * scale_floor) + np.log(2), atol=0.35)


def test_the_scores_are_the_sum_and_the_worst_of_the_conditionals():
    detector, rows = make_fitted(make_rows()), make_rows()
    with torch.no_grad():
        surprise = -detector.log_densities(torch.tensor(rows)).numpy()
    scores = detector.scores(rows)
    np.testing.assert_allclose(scores["nll"], surprise.sum(-1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scores["worst_column"], surprise.max(-1), rtol=1e-5, atol=1e-5)
    (step,) = detector.phases(len(rows))[0].steps
    batch = Batch(
        x_BD=torch.tensor(rows), epoch=0, generator=torch.Generator(), row_ids=torch.arange(len(rows))
    )
    np.testing.assert_allclose(step.loss(batch).detach(), surprise.mean((1, 2)), rtol=1e-4)


def test_every_member_reads_the_columns_in_its_own_order_when_asked():
    natural = Made.build({}, n_features=30, n_members=2, seed=0).arrays()["column_key"]
    assert (np.argsort(natural, axis=1) == np.arange(30)).all()
    random = Made.build({"column_order": "random"}, n_features=30, n_members=2, seed=0).arrays()["column_key"]
    orders = np.argsort(random, axis=1)
    assert not (orders[0] == orders[1]).all()
    assert not (orders == np.arange(30)).all(axis=1).any()


def test_a_random_order_survives_the_loss_of_a_member():
    rows = make_rows()
    detector = make_fitted(rows, column_order="random")
    before = detector.scores(rows)["nll"]
    detector.keep_members(torch.tensor([False, True]))
    restored = Made.build({"column_order": "random"}, n_features=5, n_members=1, seed=0)
    restored.load_arrays(detector.arrays())
    np.testing.assert_allclose(restored.scores(rows)["nll"], before[[1]], rtol=1e-5)


def test_layer_normalization_is_refused():
    with pytest.raises(TrialFailed, match="norm must be one of none, batch, got 'layer'"):
        Made.build({"norm": "layer"}, n_features=5, n_members=1, seed=0)


def test_one_column_is_a_plain_mixture():
    detector = make_fitted(make_rows(50, 1))
    jacobian = torch.autograd.functional.jacobian(lambda x: detector.network(x), torch.zeros(3, 1))
    assert (jacobian == 0).all()
