from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from automl_ad.detectors.drae import Drae
from automl_ad.detectors.phases import Batch
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS = 60


def make_rows() -> npt.NDArray[np.float32]:
    """Rows of rank two; the last six are far off."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(N_ROWS, 2)) @ rng.normal(size=(2, 5))
    rows[-6:] += 5 * rng.choice([-1, 1], (6, 5))
    return rows.astype(np.float32)


def build(**params: Value) -> Drae:
    return Drae.build({"norm": "none", **params}, n_features=5, n_members=2, seed=0)


def start(detector: Drae) -> Drae:
    with torch.no_grad():
        detector.start(torch.tensor(make_rows()))
    return detector


def loss_of(detector: Drae, epoch: int = 0) -> npt.NDArray[np.float32]:
    (step,) = detector.phases(N_ROWS)[0].steps
    x_BD = torch.tensor(make_rows())
    batch = Batch(x_BD=x_BD, epoch=epoch, generator=torch.Generator(), row_ids=torch.arange(N_ROWS))
    loss: npt.NDArray[np.float32] = step.loss(batch).detach().numpy()
    return loss


def scatter(errors: npt.NDArray[np.float64]) -> float:
    return float(((errors - errors.mean()) ** 2).sum())


def test_the_loss_is_the_inliers_error_and_the_scatter_in_units_of_the_first_error():
    detector = start(build(lambda_weight=2.0, min_inlier_share=0.6))
    errors_SN = np.sort(detector.scores(make_rows())["rec_mse"], axis=1)
    expected = []
    for errors in errors_SN:
        ratios = {k: (scatter(errors[:k]) + scatter(errors[k:])) / scatter(errors) for k in range(36, N_ROWS)}
        n_inliers = min(ratios, key=lambda k: ratios[k])
        expected.append(errors[:n_inliers].mean() + 2 * errors.mean() * ratios[n_inliers])
    np.testing.assert_allclose(loss_of(detector), expected, rtol=1e-4)


def test_before_the_start_epoch_it_is_an_autoencoder():
    detector = start(build(start_epoch=3))
    mean_error = detector.scores(make_rows())["rec_mse"].mean(axis=1)
    np.testing.assert_allclose(loss_of(detector, epoch=2), mean_error, rtol=1e-5)
    assert (loss_of(detector, epoch=3) < 0.95 * mean_error).all()


def test_what_is_split_off_is_not_learnt():
    """The gross rows keep their error, which plain reconstruction learns."""
    errors = {}
    for start_epoch in (0, 200):
        detector = build(
            start_epoch=start_epoch, n_epochs=200, lambda_weight=1e-3, weight_decay=1e-7, learning_rate=3e-3
        )
        fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
        scores = detector.scores(make_rows())["rec_mse"]
        errors[start_epoch] = scores[:, -6:].mean() / scores[:, :-6].mean()
    assert errors[0] > 3 * errors[200]


def test_published_training():
    detector = Drae.build({}, n_features=5, n_members=2, seed=0)
    (phase,) = detector.phases(N_ROWS)
    (step,) = phase.steps
    assert phase.drop_last
    assert (phase.n_epochs, phase.batch_size) == (250, 128)
    assert (step.optimizer.lr, step.optimizer.weight_decay) == (1e-3, 5e-4)
    assert step.optimizer.options == {"eps": 1e-7}
