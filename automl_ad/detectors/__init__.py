"""The detectors, one paper per file, and the registry that names them."""

from __future__ import annotations

from automl_ad.detectors.autoencoder import Autoencoder
from automl_ad.detectors.base import ClosedFormDetector, Detector, ScoreType, member_mean
from automl_ad.detectors.dasvdd import Dasvdd
from automl_ad.detectors.deep import DeepDetector
from automl_ad.detectors.deep_svdd import DeepSvdd
from automl_ad.detectors.distance_to_center import DistanceToCenter
from automl_ad.detectors.gmm import Gmm
from automl_ad.detectors.iaead import Iaead
from automl_ad.detectors.isolation_forest import IsolationForest
from automl_ad.detectors.kde import Kde
from automl_ad.detectors.knn import Knn
from automl_ad.detectors.mahalanobis import Mahalanobis
from automl_ad.detectors.ocsvm import OneClassSvm
from automl_ad.detectors.pca import Pca
from automl_ad.detectors.pyod_adapter import pyod_detector
from automl_ad.results import PYOD_PREFIX

DETECTORS: dict[str, type[Detector]] = {
    "distance_to_center": DistanceToCenter,
    "mahalanobis": Mahalanobis,
    "pca": Pca,
    "knn": Knn,
    "gmm": Gmm,
    "kde": Kde,
    "ocsvm": OneClassSvm,
    "isolation_forest": IsolationForest,
    "autoencoder": Autoencoder,
    "deep_svdd": DeepSvdd,
    "iaead": Iaead,
    "dasvdd": Dasvdd,
}
"""Every detector of the product: canonical name -> class."""


def find_detector(name: str) -> type[Detector]:
    """The detector of that name, ours or PyOD's. KeyError for an unknown name; ConfigError without PyOD."""
    return pyod_detector(name) if name.startswith(PYOD_PREFIX) else DETECTORS[name]


__all__ = [
    "DETECTORS",
    "ClosedFormDetector",
    "DeepDetector",
    "Detector",
    "ScoreType",
    "find_detector",
    "member_mean",
]
