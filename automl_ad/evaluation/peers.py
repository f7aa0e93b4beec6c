"""What a user could do instead of our search: simple detectors in one named setting each, and PyOD's choice.

A peer is fitted on the training rows and scores the test rows, both z-scored with the training columns.
Where train and test are the same rows, a row is never its own neighbour.
Shapes: N training rows, M test rows, D features.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

from automl_ad.criteria.ranks import normalised_ranks
from automl_ad.detectors.knn import Knn
from automl_ad.errors import AutomlADError, ConfigError, did_you_mean
from automl_ad.evaluation.pyod_peers import ecod, pyod_adengine, pyod_adengine_consensus

Float64Array = npt.NDArray[np.float64]
Peer = Callable[[Float64Array, Float64Array, int], Float64Array]
"""From training rows [N, D], test rows [M, D] and a seed to the test rows' scores [M], higher = stranger."""


class PeerAbsent(AutomlADError, RuntimeError):
    """A peer gave no scores on these rows: noted with its reason, and the comparison goes on."""


def peer_scores(
    z_train_ND: npt.NDArray[np.floating],
    z_test_MD: npt.NDArray[np.floating],
    seed: int,
    names: Iterable[str],
) -> tuple[dict[str, Float64Array], dict[str, str]]:
    """Peer -> scores [M] of those that gave some, and peer -> reason of the others.

    Raises ConfigError for a name that is not in PEERS, before any peer runs.
    """
    peers = {name: find_peer(name) for name in names}
    train_ND, test_MD = z_train_ND.astype(np.float64), z_test_MD.astype(np.float64)
    scores: dict[str, Float64Array] = {}
    reasons: dict[str, str] = {}
    for name, peer in peers.items():
        try:
            scores[name] = run_peer(peer, train_ND, test_MD, seed)
        except PeerAbsent as absent:
            reasons[name] = "; ".join(filter(None, (absent.message, absent.hint)))
    return scores, reasons


def find_peer(name: str) -> Peer:
    """The peer of that name. Raises ConfigError when PEERS has none."""
    if name not in PEERS:
        raise ConfigError(f"a peer must be one of PEERS, got {name!r}", did_you_mean(name, PEERS))
    return PEERS[name]


def run_peer(peer: Peer, train_ND: Float64Array, test_MD: Float64Array, seed: int) -> Float64Array:
    """[M] finite scores, without a word on stdout or stderr.

    Raises PeerAbsent for whatever the peer raises, and for scores that are not M finite numbers.
    """
    try:
        with silence():
            scores_M = np.asarray(peer(train_ND, test_MD, seed), dtype=np.float64)
    except AutomlADError as error:
        raise PeerAbsent(error.message, error.hint) from error
    except Exception as error:
        raise PeerAbsent(f"{type(error).__name__}: {error}") from error
    n_finite = int(np.isfinite(scores_M).sum())
    if scores_M.shape != (len(test_MD),) or n_finite < len(test_MD):
        expected = f"scores must be {len(test_MD)} finite numbers"
        raise PeerAbsent(f"{expected}, got shape {scores_M.shape} with {n_finite} finite")
    return scores_M


def isolation_forest(train_ND: Float64Array, test_MD: Float64Array, seed: int) -> Float64Array:
    """scikit-learn's Isolation Forest with 300 trees (Liu, Ting and Zhou 2008), sign turned."""
    forest = IsolationForest(n_estimators=300, random_state=seed).fit(train_ND)
    return -np.asarray(forest.score_samples(test_MD))


def knn(train_ND: Float64Array, test_MD: Float64Array, seed: int, *, n_neighbors: int) -> Float64Array:
    """Mean distance to the k nearest training rows, one identical to the test row left out; see `Knn`."""
    n_features = train_ND.shape[1]
    detector = Knn.build({"n_neighbors": n_neighbors}, n_features=n_features, n_members=1, seed=seed)
    detector.fit(train_ND.astype(np.float32), seed=seed)
    scores_1M = detector.scores(test_MD.astype(np.float32))["distance"]
    return np.asarray(scores_1M[0])


def isolation_forest_and_knn_50(train_ND: Float64Array, test_MD: Float64Array, seed: int) -> Float64Array:
    """Mean of both peers' normalised ranks: the hardest simple baseline (SELECTION 3 B)."""
    forest_M = isolation_forest(train_ND, test_MD, seed)
    knn_M = knn(train_ND, test_MD, seed, n_neighbors=50)
    return (normalised_ranks(forest_M) + normalised_ranks(knn_M)) / 2


def lof_20(train_ND: Float64Array, test_MD: Float64Array, seed: int) -> Float64Array:
    """scikit-learn's local outlier factor of 20 neighbours (Breunig et al. 2000), sign turned."""
    del seed
    lof = LocalOutlierFactor(n_neighbors=20, novelty=True).fit(train_ND)
    is_same = np.array_equal(train_ND, test_MD)
    return -np.asarray(lof.negative_outlier_factor_ if is_same else lof.score_samples(test_MD))


PEERS: Mapping[str, Peer] = {
    "isolation_forest": isolation_forest,
    "knn_10": partial(knn, n_neighbors=10),
    "knn_50": partial(knn, n_neighbors=50),
    "isolation_forest + knn_50": isolation_forest_and_knn_50,
    "lof_20": lof_20,
    "ecod": ecod,
    "pyod_adengine": pyod_adengine,
    "pyod_adengine_consensus": pyod_adengine_consensus,
}


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """No prints, warnings or log records of PyOD inside: what matters of a peer is in its result."""
    logger = logging.getLogger("pyod")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
