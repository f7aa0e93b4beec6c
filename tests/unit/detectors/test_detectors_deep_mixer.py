from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.stats import rankdata
from sklearn.cluster import KMeans

from automl_ad.detectors.mixer import Mixer
from automl_ad.detectors.phases import Batch
from automl_ad.errors import ArtifactError
from automl_ad.results import Value
from automl_ad.training import fit

N_ROWS, N_GROUPS = 120, 3
Rows = npt.NDArray[np.float32]
Groups = npt.NDArray[np.int64]


def make_rows(seed: int = 0) -> tuple[Rows, Groups]:
    """Three blobs far apart, of 60, 56 and 4 rows; their order is shuffled."""
    rng = np.random.default_rng(seed)
    groups = rng.permutation(np.repeat([0, 1, 2], [60, 56, 4]))
    rows = 3 * np.eye(4)[groups] + rng.normal(size=(N_ROWS, 4)) * np.array([1.0, 0.2, 0.5])[groups, None]
    return rows.astype(np.float32), groups


def build(n_members: int = 2, **params: Value) -> Mixer:
    settings: dict[str, Value] = {"hidden": "8", "latent_size": 2, "n_epochs": 6, "batch_size": 32}
    return Mixer.build({**settings, **params}, n_features=4, n_members=n_members, seed=4)


def make_fitted(groups: Groups | None, **params: Value) -> Mixer:
    detector = build(**params)
    rows, _ = make_rows()
    fit(detector, rows, seed=1, checkpoints=(), on_checkpoint=lambda _: False, groups_N=groups)
    return detector


def batch_of(rows: Rows, row_ids: npt.NDArray[np.int64]) -> Batch:
    return Batch(
        x_BD=torch.tensor(rows[row_ids]),
        epoch=0,
        generator=torch.Generator().manual_seed(9),
        row_ids=torch.tensor(row_ids),
    )


def started(groups: Groups, **params: Value) -> Mixer:
    detector = build(**params)
    detector.groups_N = torch.tensor(groups)
    with torch.no_grad():
        detector.start(torch.tensor(make_rows()[0]))
    return detector


def logits_of(detector: Mixer, rows: Rows) -> npt.NDArray[np.float64]:
    """[S, B, K] without dropout, from the arrays."""
    with torch.no_grad():
        h = detector.codes(torch.tensor(rows)).z_SBZ.double().numpy()
    arrays = detector.arrays()
    for layer in ("hidden.0", "hidden.1", "output"):
        h = h @ arrays[f"classifier.{layer}.weight"] + arrays[f"classifier.{layer}.bias"]
        h = np.maximum(h, 0) if layer != "output" else h
    return h


def rank_auc(scores: npt.NDArray[np.float64], is_anomaly: npt.NDArray[np.bool_]) -> float:
    n = int(is_anomaly.sum())
    return float((rankdata(scores)[is_anomaly].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def test_the_loss_joins_error_and_cross_entropy_of_the_true_groups(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("automl_ad.detectors.mixer.DROPOUT", 0.0)
    rows, groups = make_rows()
    detector = started(groups, norm="none", ce_weight=2.0)
    row_ids = np.random.default_rng(3).permutation(N_ROWS)[:50]  # rows know their groups in any order
    (phase,) = detector.phases(N_ROWS)
    loss_S = phase.steps[0].loss(batch_of(rows, row_ids)).detach().numpy()

    logits = logits_of(detector, rows[row_ids])
    log_p = logits - np.log(np.exp(logits).sum(2, keepdims=True))
    entropy_S = -log_p[:, np.arange(50), groups[row_ids]].mean(1)
    error_S = detector.scores(rows)["rec_mse"].mean(1)  # before training
    expected = detector.scores(rows[row_ids])["rec_mse"].mean(1) + 2.0 * error_S * entropy_S
    np.testing.assert_allclose(loss_S, expected, rtol=1e-4)


def test_dropout_is_shared_by_members_and_only_for_training():
    rows, groups = make_rows()
    detector = started(groups, norm="none")
    (phase,) = detector.phases(N_ROWS)
    batch = batch_of(rows, np.arange(N_ROWS))
    both = phase.steps[0].loss(batch).detach()
    assert not torch.equal(both, phase.steps[0].loss(batch).detach())  # the generator went on
    alone = started(groups, norm="none")
    alone.keep_members(torch.tensor([False, True]))
    (phase,) = alone.phases(N_ROWS)
    loss_S = phase.steps[0].loss(batch_of(rows, np.arange(N_ROWS))).detach()
    np.testing.assert_allclose(loss_S, both[1:], rtol=1e-6)
    np.testing.assert_array_equal(detector.scores(rows)["group_z"], detector.scores(rows)["group_z"])


def test_group_z_is_the_error_in_terms_of_its_group():
    rows, groups = make_rows()
    detector = make_fitted(groups)
    error = detector.scores(rows)["rec_mse"]
    told = logits_of(detector, rows).argmax(2)
    for member in range(2):
        mean = np.array([error[member, groups == c].mean() for c in range(N_GROUPS)])
        std = np.array([error[member, groups == c].std() for c in range(N_GROUPS)])
        mean[2], std[2] = error[member].mean(), error[member].std()  # four rows are too few
        np.testing.assert_allclose(detector.arrays()["group_mean"][member], mean, rtol=1e-5)
        np.testing.assert_allclose(detector.arrays()["group_std"][member], std, rtol=1e-3)
        c = told[member]
        expected = (error[member] - mean[c]) / std[c]
        np.testing.assert_allclose(detector.scores(rows)["group_z"][member], expected, rtol=1e-3, atol=1e-4)
    assert detector.score_types[0].name == "group_z"


def test_thresholds_are_the_moving_average_of_every_epoch():
    rows, groups = make_rows()
    detector = build(alpha=0.3, beta=-0.2)
    seen = []

    def on_checkpoint(epoch: int) -> bool:
        arrays = detector.arrays()
        seen.append({name: arrays[f"group_{name}"] for name in ("mean", "std", "threshold")})
        return False

    fit(detector, rows, seed=1, checkpoints=range(1, 7), on_checkpoint=on_checkpoint, groups_N=groups)
    assert len(seen) == 6
    threshold = seen[0]["mean"] - 0.2 * seen[0]["std"]
    np.testing.assert_allclose(seen[0]["threshold"], threshold, rtol=1e-5)
    for epoch in seen[1:]:
        threshold = 0.7 * threshold + 0.3 * (epoch["mean"] - 0.2 * epoch["std"])
        np.testing.assert_allclose(epoch["threshold"], threshold, rtol=1e-4)


@pytest.mark.parametrize("beta", [0.3, -1.0])
def test_the_margin_is_the_error_over_the_threshold_of_the_group(beta: float):
    rows, groups = make_rows()
    rows[:3] *= 8  # a long tail: at beta -1 the threshold is below zero
    detector = build(beta=beta)
    fit(detector, rows, seed=1, checkpoints=(), on_checkpoint=lambda _: False, groups_N=groups)
    scores, arrays = detector.scores(rows), detector.arrays()
    assert (arrays["group_threshold"] < 0).any() == (beta < 0)
    threshold = np.maximum(arrays["group_threshold"], 0.1 * arrays["group_mean"])
    told = logits_of(detector, rows).argmax(2)
    expected = scores["rec_mse"] / np.take_along_axis(threshold, told, axis=1)
    np.testing.assert_allclose(scores["group_margin"], expected, rtol=1e-4)


def two_scales() -> tuple[Rows, Groups, npt.NDArray[np.bool_]]:
    """A loud and a quiet group; ten quiet rows are far too loud, and still quieter than the loud ones."""
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], 150)
    is_anomaly = np.arange(300) >= 290
    spread = np.where(groups == 0, 1.0, np.where(is_anomaly, 0.4, 0.05))
    rows = np.where(groups == 0, 2.0, -2.0)[:, None] + spread[:, None] * rng.normal(size=(300, 6))
    return rows.astype(np.float32), groups, is_anomaly


@pytest.mark.parametrize("is_known", [True, False])
def test_groups_of_different_scale_are_judged_by_their_own(is_known: bool):
    rows, groups, is_anomaly = two_scales()
    params: dict[str, Value] = {"n_groups": 2, "latent_size": 2, "n_epochs": 60, "batch_size": 32}
    detector = Mixer.build(params, n_features=6, n_members=1, seed=0)
    fit(
        detector,
        rows,
        seed=0,
        checkpoints=(),
        on_checkpoint=lambda _: False,
        groups_N=groups if is_known else None,
    )
    scores = {name: rank_auc(values[0], is_anomaly) for name, values in detector.scores(rows).items()}
    assert scores["rec_mse"] < 0.8
    assert scores["group_z"] > 0.95
    assert scores["group_margin"] > 0.95


def test_without_groups_each_member_has_clusters_of_its_codes():
    rows, _ = make_rows()
    detector = build(n_groups=3, n_epochs=10, warmup_share=0.3, norm="none")
    warmup, joint = detector.phases(N_ROWS)
    assert (warmup.n_epochs, joint.n_epochs) == (3, 7)
    assert warmup.is_preparation
    assert not {id(p) for p in detector.classifier.parameters()} & {id(p) for p in warmup.steps[0].parameters}

    fit(detector, rows, seed=1, checkpoints=(), on_checkpoint=lambda _: False)
    reference = build(n_epochs=3, norm="none", warmup_share=0.5)  # the same three epochs of reconstruction
    (warmup, _), x_ND = reference.phases(N_ROWS), torch.tensor(rows)
    optimizer = torch.optim.Adam(warmup.steps[0].parameters, lr=1e-3, weight_decay=1e-6, eps=1e-6)
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        for row_ids in torch.randperm(N_ROWS, generator=generator).split(32):
            optimizer.zero_grad()
            warmup.steps[0].loss(batch_of(rows, row_ids.numpy())).sum().backward()
            optimizer.step()
    with torch.no_grad():
        z_SNZ = reference.codes(x_ND).z_SBZ.double().numpy()
    for clusters, z_NZ in zip(detector.groups_SN.numpy(), z_SNZ, strict=True):
        expected = KMeans(3, n_init=3, random_state=4).fit_predict(z_NZ)
        np.testing.assert_array_equal(clusters, expected)


def test_a_cluster_of_few_rows_does_not_make_them_usual():
    """Ten twins far out are a cluster of their own; among themselves they would be normal."""
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(190, 4)), 9 + 0.3 * rng.normal(size=(10, 4))]).astype(np.float32)
    detector = Mixer.build({"n_groups": 2, "n_epochs": 6}, n_features=4, n_members=1, seed=0)
    fit(detector, rows, seed=0, checkpoints=(), on_checkpoint=lambda _: False)
    assert sorted(detector.groups_SN[0].bincount().tolist()) == [10, 190]
    mean = detector.arrays()["group_mean"][0]
    overall = detector.scores(rows)["rec_mse"].mean()
    assert np.isclose(mean, overall, rtol=1e-4).sum() == 1
    assert rank_auc(detector.scores(rows)["group_z"][0], np.arange(200) >= 190) > 0.9


def test_an_artifact_knows_how_many_groups_the_data_had():
    rows, groups = make_rows()
    detector = make_fitted(groups, n_groups=7)
    assert detector.arrays()["group_mean"].shape == (2, N_GROUPS)
    restored = build(n_groups=7)
    restored.load_arrays(detector.arrays())
    for name, values in detector.scores(rows).items():
        np.testing.assert_array_equal(restored.scores(rows)[name], values)
    assert not {"groups_SN", "error_scale"} & detector.arrays().keys()
    odd = {**detector.arrays(), "group_std": np.ones((2, 7), np.float32)}
    with pytest.raises(ArtifactError, match="group_std"):
        build(n_groups=7).load_arrays(odd)


def test_losing_a_member_leaves_the_others_bit_equal():
    rows, groups = make_rows()
    for known in (groups, None):
        both, damaged = build(3), build(3)
        with torch.no_grad():
            next(iter(damaged.decoder.parameters()))[0] = torch.nan
        fits = []
        for detector in (both, damaged):
            fit(detector, rows, seed=1, checkpoints=(), on_checkpoint=lambda _: False, groups_N=known)
            fits.append(detector.scores(rows)["group_z"])
        assert fits[1].shape == (2, N_ROWS)
        np.testing.assert_array_equal(fits[1], fits[0][1:])
