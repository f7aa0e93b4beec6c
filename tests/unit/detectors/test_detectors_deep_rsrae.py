from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sklearn.metrics.pairwise import cosine_similarity

from automl_ad.detectors.phases import Batch, Step
from automl_ad.detectors.rsrae import Rsrae
from automl_ad.nn.subspace import distance_to_subspace, orthogonality_loss
from automl_ad.results import Value
from automl_ad.training import fit
from automl_ad.training.step import StepRunner

N_ROWS = 160


def make_rows() -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(N_ROWS, 2)) @ rng.normal(size=(2, 5))).astype(np.float32)


def build(**params: Value) -> Rsrae:
    return Rsrae.build({"n_epochs": 5, **params}, n_features=5, n_members=2, seed=0)


def make_fitted(**params: Value) -> Rsrae:
    detector = build(**params)
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def batch_of(rows: npt.NDArray[np.float32]) -> Batch:
    return Batch(
        x_BD=torch.tensor(rows), epoch=0, generator=torch.Generator(), row_ids=torch.arange(len(rows))
    )


def steps_of(detector: Rsrae) -> list[Step]:
    (phase,) = detector.phases(N_ROWS)
    return list(phase.steps)


def losses_of(detector: Rsrae) -> dict[str, npt.NDArray[np.float32]]:
    return {step.name: step.loss(batch_of(make_rows())).detach().numpy() for step in steps_of(detector)}


def test_three_optimizers_each_over_all_parameters():
    detector = build()
    steps = steps_of(detector)
    assert [step.name for step in steps] == ["reconstruction", "orthogonality", "projection"]
    assert [step.optimizer.lr for step in steps] == pytest.approx([2.5e-4, 2.5e-3, 2.5e-3])
    assert {step.optimizer.kind for step in steps} == {"adam"}
    everything = {id(parameter) for parameter in detector.parameters()}
    assert all({id(parameter) for parameter in step.parameters} == everything for step in steps)


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("reconstruction", {"encoder.backbone", "encoder.basis", "decoder"}),
        ("orthogonality", {"encoder.basis"}),
        ("projection", {"encoder.backbone", "encoder.basis"}),
    ],
)
def test_each_step_moves_what_its_loss_reaches(name: str, moved: set[str]):
    detector = build(norm="none")
    before = {key: parameter.detach().clone() for key, parameter in detector.named_parameters()}
    (step,) = [step for step in steps_of(detector) if step.name == name]
    StepRunner(step).run(batch_of(make_rows()), torch.ones(2, dtype=torch.bool))
    for key, parameter in detector.named_parameters():
        is_reached = any(key.startswith(part) for part in moved)
        assert torch.equal(before[key], parameter) != is_reached, key


def test_the_losses_are_the_published_ones():
    detector, rows = make_fitted(), make_rows()
    with torch.no_grad():
        y_SBC = detector.encoder.backbone(torch.tensor(rows)).numpy()
        restored = detector.codes(torch.tensor(rows)).restored_SBD.numpy()
    basis = detector.encoder.basis.detach().numpy()
    losses = losses_of(detector)
    for member in range(2):
        lengths = np.linalg.norm(rows - restored[member], axis=1)  # not squared
        np.testing.assert_allclose(losses["reconstruction"][member], lengths.mean(), rtol=1e-5)
        y, a = y_SBC[member], basis[member]
        outside = np.linalg.norm(y - y @ a @ a.T, axis=1)
        np.testing.assert_allclose(losses["projection"][member], outside.mean(), rtol=1e-5)
        expected = ((a.T @ a - np.eye(a.shape[1])) ** 2).mean()
        np.testing.assert_allclose(losses["orthogonality"][member], expected, rtol=1e-4)


def test_training_makes_the_basis_orthonormal():
    detector = build(n_epochs=100)
    before = orthogonality_loss(detector.encoder.basis.detach())
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    after = orthogonality_loss(detector.encoder.basis.detach())
    assert (after < 0.01 * before).all()


def test_the_sum_is_weighted_by_hand_in_units_of_its_start():
    detector, rows = build(mode="sum", projection_weight=0.3, orthogonality_weight=2.0), make_rows()
    (step,) = steps_of(detector)
    assert step.optimizer.lr == 2.5e-4
    with torch.no_grad():
        detector.start(torch.tensor(rows))
        at_start = orthogonality_loss(detector.encoder.basis)
        np.testing.assert_allclose(losses_of(detector)["sum"], 1 + 0.3 + 2.0 * at_start, rtol=1e-4)
        start_terms = terms_of(detector)
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    reconstruction_S, projection_S = (
        now / start for now, start in zip(terms_of(detector), start_terms, strict=True)
    )
    expected = (
        reconstruction_S + 0.3 * projection_S + 2.0 * orthogonality_loss(detector.encoder.basis.detach())
    )
    np.testing.assert_allclose(losses_of(detector)["sum"], expected, rtol=1e-4)


def terms_of(detector: Rsrae) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.no_grad():
        x_BD = torch.tensor(make_rows())
        residual_SB = detector.codes(x_BD).residual_SBD.norm(dim=-1)
        distance_SB = distance_to_subspace(detector.encoder.backbone(x_BD), detector.encoder.basis)
    return residual_SB.mean(1), distance_SB.mean(1)


def test_scores_are_the_angle_and_the_length_of_the_residual():
    detector, rows = make_fitted(), make_rows()
    with torch.no_grad():
        restored = detector.codes(torch.tensor(rows)).restored_SBD.double().numpy()
    scores = detector.scores(rows)
    for member in range(2):
        cosine = np.diagonal(cosine_similarity(rows.astype(np.float64), restored[member]))
        floor = 0.1 * np.median(np.linalg.norm(rows, axis=1))
        is_long = (np.linalg.norm(rows, axis=1) > floor) & (np.linalg.norm(restored[member], axis=1) > floor)
        assert is_long.mean() > 0.8
        np.testing.assert_allclose(
            scores["cosine_distance"][member][is_long], 1 - cosine[is_long], rtol=1e-5, atol=1e-9
        )
        lengths = np.linalg.norm(rows - restored[member], axis=1)
        np.testing.assert_allclose(scores["rec_norm"][member], lengths, rtol=1e-5)
    assert detector.score_types[0].name == "cosine_distance"


def test_a_row_without_direction_is_not_the_strangest():
    detector = make_fitted()
    with torch.no_grad():
        restored = detector.codes(torch.zeros(1, 5)).restored_SBD.double().norm(dim=-1).numpy()
    floor = 0.1 * np.median(np.linalg.norm(make_rows(), axis=1))
    expected = 0.5 * np.minimum(restored / floor, 1) ** 2
    scores = detector.scores(np.zeros((1, 5), np.float32))["cosine_distance"]
    np.testing.assert_allclose(scores, expected, rtol=1e-4)


def test_the_subspace_leaves_something_out():
    for params in ({"hidden": "8", "latent_size": 32}, {"hidden": "30-6"}):
        basis_SCZ = Rsrae.build(params, n_features=40, n_members=1, seed=0).encoder.basis
        assert 2 * basis_SCZ.shape[2] <= basis_SCZ.shape[1]


def test_codes_lie_on_the_unit_sphere_unless_told_otherwise():
    x_BD = torch.tensor(make_rows())
    with torch.no_grad():
        torch.testing.assert_close(build().codes(x_BD).z_SBZ.norm(dim=-1), torch.ones(2, N_ROWS))
        assert build(normalise_z="no").codes(x_BD).z_SBZ.norm(dim=-1).std() > 0.01


@pytest.mark.parametrize(("n_features", "size"), [(5, 4), (21, 8), (100, 10)])
def test_the_subspace_has_at_most_the_published_dimension(n_features: int, size: int):
    detector = Rsrae.build({}, n_features=n_features, n_members=1, seed=0)
    assert detector.encoder.basis.shape[-1] == size
