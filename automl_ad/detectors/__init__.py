"""The detectors, one paper per file, and the registry that names them."""

from __future__ import annotations

from automl_ad.detectors.adversarial_autoencoder import AdversarialAutoencoder
from automl_ad.detectors.and_lsa import AndLsa
from automl_ad.detectors.anogan import AnoGan
from automl_ad.detectors.autoencoder import Autoencoder
from automl_ad.detectors.base import ClosedFormDetector, Detector, ScoreType, member_mean
from automl_ad.detectors.contractive_autoencoder import ContractiveAutoencoder
from automl_ad.detectors.dagmm import Dagmm
from automl_ad.detectors.dasvdd import Dasvdd
from automl_ad.detectors.deep import DeepDetector
from automl_ad.detectors.deep_svdd import DeepSvdd
from automl_ad.detectors.denoising_autoencoder import DenoisingAutoencoder
from automl_ad.detectors.distance_to_center import DistanceToCenter
from automl_ad.detectors.drae import Drae
from automl_ad.detectors.f_anogan import FAnoGan
from automl_ad.detectors.gmm import Gmm
from automl_ad.detectors.iaead import Iaead
from automl_ad.detectors.isolation_forest import IsolationForest
from automl_ad.detectors.kde import Kde
from automl_ad.detectors.knn import Knn
from automl_ad.detectors.made import Made
from automl_ad.detectors.mahalanobis import Mahalanobis
from automl_ad.detectors.memae import Memae
from automl_ad.detectors.mixer import Mixer
from automl_ad.detectors.ocgan import Ocgan
from automl_ad.detectors.ocsvm import OneClassSvm
from automl_ad.detectors.pca import Pca
from automl_ad.detectors.pixelcnn import PixelCnn
from automl_ad.detectors.pyod_adapter import pyod_detector
from automl_ad.detectors.rdae import Rdae
from automl_ad.detectors.rsrae import Rsrae
from automl_ad.detectors.vae import Vae
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
    "denoising_autoencoder": DenoisingAutoencoder,
    "contractive_autoencoder": ContractiveAutoencoder,
    "vae": Vae,
    "adversarial_autoencoder": AdversarialAutoencoder,
    "mixer": Mixer,
    "deep_svdd": DeepSvdd,
    "iaead": Iaead,
    "dasvdd": Dasvdd,
    "drae": Drae,
    "rdae": Rdae,
    "dagmm": Dagmm,
    "memae": Memae,
    "rsrae": Rsrae,
    "and_lsa": AndLsa,
    "ocgan": Ocgan,
    "anogan": AnoGan,
    "f_anogan": FAnoGan,
    "pixelcnn": PixelCnn,
    "made": Made,
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
