from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from automl_ad.detectors.anogan import AnoGan, best_codes
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS = 40


def make_rows() -> npt.NDArray[np.float32]:
    rows = np.random.default_rng(0).normal(size=(N_ROWS, 4))
    rows[:, 2:] = rows[:, :2]
    return rows.astype(np.float32)


def make_fitted(**params: Value) -> AnoGan:
    detector = AnoGan.build({"n_epochs": 3, **params}, n_features=4, n_members=2, seed=5)
    fit(detector, make_rows(), seed=5, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


@pytest.fixture(scope="module")
def fitted() -> AnoGan:
    return make_fitted()


def with_steps(detector: AnoGan, n_query: int) -> AnoGan:
    other = AnoGan.build({"n_query": n_query}, n_features=4, n_members=2, seed=5)
    other.load_arrays(detector.arrays())
    return other


def test_the_score_is_the_weighted_loss_of_one_code(fitted: AnoGan):
    scores = fitted.scores(make_rows())
    expected = 0.9 * scores["rec_l1"] + 0.1 * scores["feature_l1"]
    np.testing.assert_allclose(scores["query_loss"], expected, rtol=1e-12)
    assert scores["query_loss"].shape == (2, N_ROWS)


def test_queries_reduce_the_loss(fitted: AnoGan):
    rows, zero_SBZ = make_rows(), torch.zeros(2, 1, fitted.network.sizes[-1])
    with torch.no_grad():
        generated_SBD = fitted.generator(zero_SBZ).double()
        features_SBH = fitted.critic_features(generated_SBD.float()) - fitted.critic_features(
            torch.tensor(rows)
        )
    rec = (generated_SBD - torch.tensor(rows)).abs().sum(-1)
    start = (0.9 * rec + 0.1 * features_SBH.abs().sum(-1)).numpy()
    few, many = (with_steps(fitted, n).scores(rows)["query_loss"] for n in (20, 200))
    assert (few <= start * (1 + 1e-5)).all()
    assert (many <= start * (1 + 1e-5)).all()
    assert max(few.mean(), many.mean()) < 0.9 * start.mean()


def test_a_row_that_was_generated_is_found(fitted: AnoGan):
    with torch.no_grad():
        generated_BD = fitted.generate(20, torch.Generator().manual_seed(1))[0].numpy()
    own, other = with_steps(fitted, 300).scores(generated_BD)["rec_l1"]
    assert np.median(own) < 0.25 * np.median(np.abs(generated_BD).sum(1))
    assert np.median(own) < 0.5 * np.median(other)  # the other member's generator is another


def test_scores_do_not_depend_on_the_other_rows(fitted: AnoGan):
    detector, rows = with_steps(fitted, 200), make_rows()
    together = {name: values[:, :8] for name, values in detector.scores(rows).items()}
    alone = [detector.scores(row[None]) for row in rows[:8]]
    for name, values in together.items():
        np.testing.assert_allclose(np.concatenate([s[name] for s in alone], axis=1), values, rtol=1e-9)


def test_scoring_leaves_networks_and_gradients_alone(fitted: AnoGan):
    before = {name: tensor.clone() for name, tensor in fitted.state_dict().items()}
    fitted.scores(make_rows())
    assert all(torch.equal(tensor, before[name]) for name, tensor in fitted.state_dict().items())
    assert all(tensor.dtype == torch.float32 for tensor in fitted.state_dict().values())
    assert all(p.grad is None and p.requires_grad for p in fitted.parameters())


@pytest.mark.parametrize("n_steps", [10, 100])
def test_the_search_is_adam(n_steps: int):
    """Against torch's own optimizer, which knows one loss: one code."""
    target_Z = torch.tensor([0.7, -4.0], dtype=torch.float64)
    scale_Z = torch.tensor([1.0, 3.0], dtype=torch.float64)

    def loss(z: torch.Tensor) -> torch.Tensor:
        return (scale_Z * (z - target_Z)).square().sum(-1)

    z_Z = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([z_Z], lr=5.0 / n_steps)
    seen = [(loss(z_Z).item(), z_Z.detach().clone())]
    for _ in range(n_steps):
        optimizer.zero_grad()
        loss(z_Z).backward()
        optimizer.step()
        seen.append((loss(z_Z).item(), z_Z.detach().clone()))
    best_Z = min(seen, key=lambda pair: pair[0])[1]
    found = best_codes(loss, torch.zeros(1, 3, 2, dtype=torch.float64), n_steps=n_steps)
    np.testing.assert_allclose(found, best_Z.expand(1, 3, 2), rtol=1e-6)
