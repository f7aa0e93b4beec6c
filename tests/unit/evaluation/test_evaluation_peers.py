"""What a user could do instead of our search: every peer scores rows, and one that cannot says why."""

from __future__ import annotations

import importlib
import logging
import sys
import warnings

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from automl_ad.criteria.ranks import normalised_ranks
from automl_ad.errors import ConfigError
from automl_ad.evaluation import peers
from automl_ad.evaluation.metrics import auroc
from automl_ad.evaluation.peers import PEERS, peer_scores

NEEDS_PYOD = ("ecod", "pyod_adengine", "pyod_adengine_consensus")
ROWS = np.random.default_rng(0).normal(size=(120, 3))
NEW_ROWS = np.random.default_rng(1).normal(size=(40, 3))
NEW_ROWS[:4] += 8


def scores_of(name, train=ROWS, test=ROWS, seed=0):
    scores, reasons = peer_scores(train, test, seed, [name])
    assert reasons == {}
    return scores[name]


@pytest.fixture(params=PEERS)
def peer(request):
    if request.param in NEEDS_PYOD:
        pytest.importorskip("pyod", reason="the extra [pyod] is not installed")
    return request.param


class TestEveryPeer:
    def test_new_rows_far_out_score_highest_every_time_without_a_word(self, peer, capfd):
        scores = scores_of(peer, test=NEW_ROWS)
        assert scores.shape == (40,)
        assert auroc(np.arange(40) < 4, scores) == 1.0
        np.testing.assert_array_equal(scores, scores_of(peer, test=NEW_ROWS))
        assert capfd.readouterr() == ("", "")

    def test_rows_of_the_fit_may_be_scored(self, peer):
        rows = np.concatenate([NEW_ROWS[:4], ROWS])
        assert auroc(np.arange(124) < 4, scores_of(peer, rows, rows)) > 0.98


def test_isolation_forest_is_that_of_scikit_learn_with_the_seed_given():
    forest = IsolationForest(n_estimators=300, random_state=7).fit(ROWS)
    np.testing.assert_array_equal(scores_of("isolation_forest", seed=7), -forest.score_samples(ROWS))


@pytest.mark.parametrize("k", [10, 50])
def test_knn_is_the_mean_distance_to_the_others(k):
    distances, _ = NearestNeighbors(n_neighbors=k).fit(ROWS).kneighbors()  # no query: self is left out
    np.testing.assert_allclose(scores_of(f"knn_{k}"), distances.mean(axis=1), rtol=1e-5)


def test_the_pair_is_the_mean_of_the_ranks():
    ranks = [normalised_ranks(scores_of(name)) for name in ("isolation_forest", "knn_50")]
    np.testing.assert_allclose(scores_of("isolation_forest + knn_50"), np.mean(ranks, axis=0))


def test_the_routes_of_adengine_are_its_own_results():
    engine = pytest.importorskip("pyod.utils.ad_engine").ADEngine(random_state=3)
    detected = engine.detect(ROWS)["scores_train"]
    np.testing.assert_array_equal(scores_of("pyod_adengine", seed=3), detected)
    np.testing.assert_array_equal(scores_of("pyod_adengine", test=ROWS.copy(), seed=3), detected)
    consensus = engine.investigate(ROWS).consensus["scores"]
    np.testing.assert_allclose(scores_of("pyod_adengine_consensus", seed=3), consensus)


def test_without_pyod_its_peers_are_absent_and_the_others_are_not(monkeypatch):
    def no_pyod(name):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", no_pyod)
    scores, reasons = peer_scores(ROWS, ROWS, 0, ["ecod", "knn_10", "pyod_adengine"])
    assert set(scores) == {"knn_10"}
    assert set(reasons) == {"ecod", "pyod_adengine"}
    assert reasons["ecod"] == (
        "needs ECOD of pyod.models.ecod, got: No module named 'pyod.models.ecod'; "
        "install the extra: pip install 'automl-ad[pyod]'"
    )


def broken(train_ND, test_MD, seed):
    raise RuntimeError("singular")


def not_finite(train_ND, test_MD, seed):
    return np.where(np.arange(len(test_MD)) == 0, np.nan, 1.0)


def too_short(train_ND, test_MD, seed):
    return np.zeros(3)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (broken, "RuntimeError: singular"),
        (not_finite, "scores must be 120 finite numbers, got shape (120,) with 119 finite"),
        (too_short, "scores must be 120 finite numbers, got shape (3,) with 3 finite"),
    ],
)
def test_a_peer_that_goes_wrong_is_noted_and_the_next_one_runs(monkeypatch, bad, reason):
    monkeypatch.setattr(peers, "PEERS", {"bad": bad, **PEERS})
    scores, reasons = peer_scores(ROWS, ROWS, 0, ["bad", "knn_10"])
    assert reasons == {"bad": reason}
    assert set(scores) == {"knn_10"}


def test_what_a_peer_writes_is_swallowed_and_logging_is_as_before(monkeypatch, capfd):
    def noisy(train_ND, test_MD, seed):
        sys.stdout.write("to stdout")
        sys.stderr.write("to stderr")
        warnings.warn("a warning", stacklevel=1)
        logging.getLogger("pyod.utils.ad_engine").critical("a record")
        return np.zeros(len(test_MD))

    before = logging.getLogger("pyod").level
    monkeypatch.setattr(peers, "PEERS", {"noisy": noisy})
    scores_of("noisy")
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("pyod").level == before


def test_an_unknown_name_is_refused_before_any_peer_runs(monkeypatch):
    monkeypatch.setattr(peers, "PEERS", {**PEERS, "broken": broken})
    with pytest.raises(ConfigError, match="a peer must be one of PEERS, got 'knn_11'"):
        peer_scores(ROWS, ROWS, 0, ["broken", "knn_11"])
