from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from automl_ad.detectors.memae import Memae
from automl_ad.detectors.phases import Batch
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS = 80


def make_rows() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=(N_ROWS, 4)).astype(np.float32)


def build(**params: Value) -> Memae:
    return Memae.build({"latent_size": 3, "n_memory": 8, **params}, n_features=4, n_members=2, seed=0)


def start(detector: Memae) -> Memae:
    with torch.no_grad():
        detector.start(torch.tensor(make_rows()))
    return detector


def end_epochs(detector: Memae, last: int, *, first: int = 1) -> None:
    (phase,) = detector.phases(N_ROWS)
    assert phase.after_epoch is not None
    with torch.no_grad():
        for n_done in range(first, last + 1):
            phase.after_epoch(torch.tensor(make_rows()), n_done)


def used_rows(detector: Memae) -> npt.NDArray[np.bool_]:
    """[S, M], the memory rows that answer to any row of the data."""
    with torch.no_grad():
        weights_SNM = detector.codes(torch.tensor(make_rows())).weights_SBM
    used: npt.NDArray[np.bool_] = (weights_SNM > 0).any(1).numpy()
    return used


def kill_rows(detector: Memae) -> None:
    """Leave every member one memory row that all queries prefer, with the dot product at least."""
    with torch.no_grad():
        code_SZ = detector.codes(torch.tensor(make_rows())).z_SBZ.mean(1)
        detector.memory.rows.copy_(-1e3 * code_SZ.unsqueeze(1).expand_as(detector.memory.rows))
        detector.memory.rows[:, 0] = 1e3 * code_SZ


def test_the_decoder_sees_only_memory():
    detector = build(shrink=8.0)  # a threshold of 1: one row answers alone
    with torch.no_grad():
        codes = detector.codes(torch.tensor(make_rows()))
        typical = detector.decoder(detector.memory.rows)
        picked = typical[torch.arange(2)[:, None], codes.weights_SBM.argmax(-1)]
        torch.testing.assert_close(codes.restored_SBD, picked)
        assert len(codes.restored_SBD[0].unique(dim=0)) <= 8


def test_the_loss_is_the_error_plus_entropy_in_units_of_the_first_error():
    detector = start(build(alpha=0.3))
    (step,) = detector.phases(N_ROWS)[0].steps
    x_BD = torch.tensor(make_rows())
    batch = Batch(x_BD=x_BD, epoch=0, generator=torch.Generator(), row_ids=torch.arange(N_ROWS))
    with torch.no_grad():
        weights = detector.codes(x_BD).weights_SBM.double().numpy()
    log_weights = np.log(weights, where=weights > 0, out=np.zeros_like(weights))
    entropy_SB = -(weights * log_weights).sum(axis=2)
    scores = detector.scores(make_rows())
    expected = scores["rec_mse"] + 0.3 * scores["rec_mse"].mean(axis=1, keepdims=True) * entropy_SB
    np.testing.assert_allclose(scores["rec_plus_entropy"], expected, rtol=1e-4)
    np.testing.assert_allclose(step.loss(batch).detach(), expected.mean(axis=1), rtol=1e-4)
    assert step.parameters[-1] is detector.memory.rows


def test_the_threshold_is_relative_to_the_number_of_rows():
    assert build(shrink=2.0, n_memory=40).memory.threshold == pytest.approx(0.05)


def test_dead_rows_come_alive_and_the_living_stay():
    detector = start(build(addressing="dot"))
    kill_rows(detector)
    before, was_used = detector.memory.rows.detach().clone(), used_rows(detector)
    assert was_used[:, 0].all()
    assert was_used.sum() < was_used.size
    end_epochs(detector, 4)
    assert torch.equal(detector.memory.rows, before)  # only every fifth epoch
    end_epochs(detector, 5, first=5)
    after = detector.memory.rows.detach()
    assert torch.equal(after[torch.tensor(was_used)], before[torch.tensor(was_used)])
    with torch.no_grad():
        queries_SNZ = detector.codes(torch.tensor(make_rows())).z_SBZ
    for member in range(2):
        for row in after[member][~torch.tensor(was_used[member])]:
            assert (queries_SNZ[member] - row).abs().sum(-1).min() < 1e-5


def test_with_cosines_a_row_set_to_a_query_answers_to_it():
    detector = start(build(temperature=0.05))
    kill_rows(detector)
    assert (~used_rows(detector)).any()
    end_epochs(detector, 5)
    assert used_rows(detector).all()


def test_rows_are_reseeded_alike_every_time_and_in_the_first_half_only():
    rows = []
    for _ in range(2):
        detector = start(build(addressing="dot"))
        kill_rows(detector)
        end_epochs(detector, 5)
        rows.append(detector.memory.rows.detach())
    assert torch.equal(rows[0], rows[1])
    late = start(build(addressing="dot", n_epochs=9))
    kill_rows(late)
    before = late.memory.rows.detach().clone()
    end_epochs(late, 9)
    assert torch.equal(late.memory.rows, before)


def test_training_moves_the_memory():
    detector = build(n_epochs=3)
    before = detector.memory.rows.detach().clone()
    fit(detector, make_rows(), seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    assert (detector.memory.rows.detach() - before).abs().min() > 0
