from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn import functional as F

from automl_ad.detectors.and_lsa import AndLsa, bin_nll
from automl_ad.detectors.phases import Batch
from automl_ad.errors import TrialFailed
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS, N_FEATURES, LATENT_SIZE, N_BINS = 101, 6, 4, 10
SMALL: dict[str, Value] = {
    "latent_size": LATENT_SIZE, "n_bins": N_BINS, "n_channels": 4, "norm": "none", "n_epochs": 5,
}  # fmt: skip


def make_rows() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (3 * rng.normal(size=(N_ROWS, 3)) @ rng.normal(size=(3, N_FEATURES))).astype(np.float32)


def build(**params: Value) -> AndLsa:
    return AndLsa.build({**SMALL, **params}, n_features=N_FEATURES, n_members=2, seed=0)


def make_fitted(**params: Value) -> AndLsa:
    detector = build(**params)
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def loss_of(detector: AndLsa) -> torch.Tensor:
    (phase,) = detector.phases(N_ROWS)
    (step,) = phase.steps
    x_BD = torch.tensor(make_rows())
    return step.loss(Batch(x_BD=x_BD, epoch=0, generator=torch.Generator(), row_ids=torch.arange(len(x_BD))))


def test_the_likelihood_is_the_cross_entropy_of_the_bins():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 5, 3, 4))
    z = rng.uniform(size=(2, 5, 3))
    z[0, 0] = [0.0, 1.0, 0.25]  # bins 0, 3 (not 4) and 1
    expected = np.zeros((2, 5))
    for member, row, code in np.ndindex(z.shape):
        odds = np.exp(logits[member, row, code])
        chosen = min(int(4 * z[member, row, code]), 3)
        expected[member, row] -= np.log(odds[chosen] / odds.sum())
    ours = bin_nll(torch.tensor(logits), torch.tensor(z))
    np.testing.assert_allclose(ours, expected, rtol=1e-12)


def test_a_code_is_told_from_those_before_it_also_after_training():
    detector = make_fitted(learning_rate=1e-2)
    z_BZ = torch.rand(3, LATENT_SIZE, generator=torch.Generator().manual_seed(0))
    jacobian = torch.autograd.functional.jacobian(lambda z: detector.estimator(z).sum(1), z_BZ)
    size = jacobian.abs().unflatten(1, (LATENT_SIZE, N_BINS)).amax((0, 2, 3))  # [place out, place in]
    assert torch.equal(size > 0, torch.ones(LATENT_SIZE, LATENT_SIZE).tril(-1).bool())


def test_the_encoder_learns_through_the_conditioning_and_not_through_the_bins():
    detector = build()
    z = detector.codes(torch.tensor(make_rows())).z_SBZ
    logits = detector.estimator(z).unflatten(-1, (LATENT_SIZE, N_BINS))
    blind = bin_nll(logits.detach(), z)
    assert not blind.requires_grad

    (as_trained,) = torch.autograd.grad(
        detector.codes(torch.tensor(make_rows())).nll_SB.sum(), _last(detector)
    )
    z = detector.codes(torch.tensor(make_rows())).z_SBZ
    logits = detector.estimator(z).unflatten(-1, (LATENT_SIZE, N_BINS))
    bins = (N_BINS * z.detach()).floor().long()
    by_hand = F.cross_entropy(logits.permute(0, 1, 3, 2).flatten(0, 1), bins.flatten(0, 1), reduction="sum")
    (expected,) = torch.autograd.grad(by_hand, _last(detector))
    assert as_trained.abs().sum() > 0
    torch.testing.assert_close(as_trained, expected)


def _last(detector: AndLsa) -> torch.Tensor:
    """The weights of the code layer."""
    return next(weight for weight in detector.encoder.parameters() if weight.shape[-1] == LATENT_SIZE)


def test_the_last_code_shapes_no_prediction():
    """Only earlier codes are conditioned on: the last one is moved by the reconstruction alone."""
    detector = build()
    (gradient,) = torch.autograd.grad(detector.codes(torch.tensor(make_rows())).nll_SB.sum(), _last(detector))
    assert (gradient[..., -1] == 0).all()
    assert (gradient[..., :-1].abs().sum((0, 1)) > 0).all()


def test_codes_live_in_the_unit_box():
    with torch.no_grad():
        z = build().codes(100 * torch.tensor(make_rows())).z_SBZ
    assert 0 <= z.min() < 0.1
    assert 0.9 < z.max() <= 1


@pytest.mark.parametrize("unit", [1.0, 1000.0])
def test_at_weight_one_guessing_costs_the_same_in_both_terms(unit: float):
    detector = build(nll_weight=1.0)
    rows = unit * torch.tensor(make_rows())
    with torch.no_grad():
        detector.start(rows)
    uniform = LATENT_SIZE * np.log(N_BINS)
    mean_row = rows.var(dim=0, unbiased=False).mean().item()
    np.testing.assert_allclose(detector.nll_scale * uniform, mean_row, rtol=1e-4)


def test_the_loss_is_reconstruction_plus_the_weighted_likelihood():
    detector = make_fitted(nll_weight=0.3)
    scores = detector.scores(make_rows())
    scale = make_rows().astype(float).var(axis=0).mean() / (LATENT_SIZE * np.log(N_BINS))
    expected = scores["rec_mse"].mean(1) + 0.3 * scale * scores["nll"].mean(1)
    np.testing.assert_allclose(loss_of(detector).detach(), expected, rtol=1e-4)


def test_the_native_score_is_the_sum_of_both_terms_between_their_quantiles():
    detector, rows = make_fitted(), make_rows()
    terms = detector.scores(rows, ["nll", "rec_mse"])
    expected = np.zeros((2, N_ROWS))
    for values in terms.values():
        low, high = np.quantile(values, [0.05, 0.95], axis=1, keepdims=True)
        expected += (values - low) / (high - low)
    native = detector.scores(rows)["nll_plus_rec"]
    np.testing.assert_allclose(native, expected, rtol=1e-3, atol=1e-3)
    assert native.max() > 2  # what lies outside the quantiles is not clipped
    assert detector.score_types[0].name == "nll_plus_rec"


def test_one_wild_training_row_does_not_set_the_scale():
    detector, rows = make_fitted(), make_rows()
    before = detector.arrays()["term_range"]
    rows[0] *= 1_000
    with torch.no_grad():
        detector.finalize(torch.tensor(rows))
    np.testing.assert_allclose(detector.arrays()["term_range"], before, rtol=0.2)


def test_a_term_that_does_not_vary_is_not_blown_up():
    detector, rows = make_fitted(), make_rows()
    with torch.no_grad():
        for parameter in detector.estimator.parameters():
            parameter.zero_()  # uniform bins: every row has the same likelihood up to rounding
        detector.finalize(torch.tensor(rows))
    uniform = LATENT_SIZE * np.log(N_BINS)
    np.testing.assert_allclose(detector.arrays()["term_range"][:, 0], 1e-4 * uniform, rtol=1e-4)
    scores = detector.scores(rows)
    order = [np.argsort(np.argsort(scores[name], axis=1), axis=1) for name in ("nll_plus_rec", "rec_mse")]
    assert (np.abs(order[0] - order[1]) <= 3).all()


def test_a_code_too_long_fails_the_trial():
    with pytest.raises(TrialFailed, match="latent_size must be at most 64, got 65"):
        build(latent_size=65)
