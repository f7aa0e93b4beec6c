"""PyOD (Zhao et al. 2019) as peers of our search: ECOD, and the two routes of its automatic ADEngine.

PyOD is an optional extra, imported when a peer first needs it.
Shapes: N training rows, M test rows, D features, K detectors of a consensus.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from automl_ad.criteria.ranks import normalised_ranks
from automl_ad.detectors.pyod_adapter import INSTALL
from automl_ad.errors import ConfigError, TrialFailed

Float64Array = npt.NDArray[np.float64]


def ecod(train_ND: Float64Array, test_MD: Float64Array, seed: int) -> Float64Array:
    """PyOD's ECOD (Li et al. 2022); new rows it ranks among themselves and the training rows."""
    del seed
    return pyod_scores(from_pyod("models.ecod", "ECOD")().fit(train_ND), train_ND, test_MD)


def pyod_adengine(train_ND: Float64Array, test_MD: Float64Array, seed: int) -> Float64Array:
    """The one detector that PyOD's ADEngine chooses from the table's size: its `detect`, defaults throughout.

    In 3.6: KNN below 20 features and 5,000 training rows, IForest for any other table, so a sample of a large
    table may get another detector than the table would.
    """
    engine = from_pyod("utils.ad_engine", "ADEngine")(random_state=seed)
    result = engine.detect(train_ND, data_type="tabular")
    return pyod_scores(result["detector"], train_ND, test_MD)


def pyod_adengine_consensus(train_ND: Float64Array, test_MD: Float64Array, seed: int) -> Float64Array:
    """Mean normalised rank of the three detectors that ADEngine plans: the consensus of its `investigate`.

    On the training rows these are the consensus scores themselves; new rows, for which ADEngine has no
    consensus, are ranked among themselves in the same way. A detector that fails is left out, as it does.
    Raises TrialFailed when all fail.
    """
    engine = from_pyod("utils.ad_engine", "ADEngine")(random_state=seed)
    results = engine.investigate(train_ND, data_type="tabular").results
    fitted = [result["detector"] for result in results if result["status"] == "success"]
    if not fitted:
        raise TrialFailed(f"every detector failed: {'; '.join(result['error'] for result in results)}")
    scores_KM = np.stack([pyod_scores(detector, train_ND, test_MD) for detector in fitted])
    mean_M: Float64Array = normalised_ranks(scores_KM).mean(axis=0)
    return mean_M


def pyod_scores(detector: Any, train_ND: Float64Array, test_MD: Float64Array) -> Float64Array:
    """[M] of a fitted PyOD detector: its own scores of the training rows, if those are the test rows."""
    if np.array_equal(train_ND, test_MD):
        return np.asarray(detector.decision_scores_)
    return np.asarray(detector.decision_function(test_MD))


def from_pyod(module: str, name: str) -> Any:
    """A class of PyOD. Raises ConfigError when PyOD is not installed, or too old to have it."""
    try:
        return getattr(importlib.import_module(f"pyod.{module}"), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"needs {name} of pyod.{module}, got: {error}", INSTALL) from error
