from collections.abc import Callable

import numpy as np
import pytest

from automl_ad.config import SearchConfig
from automl_ad.results import Candidate, CandidateKey, TrialConfig, TrialResult
from automl_ad.space import SearchSpace, load_space
from automl_ad.study import Study


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    return load_space("balanced", data_kind="tabular", only=("knn", "gmm", "deep_svdd"))


@pytest.fixture
def config() -> SearchConfig:
    return SearchConfig(max_trials=60, seed=5)


@pytest.fixture
def study(tmp_path, config, space):
    with Study.create(tmp_path / "study", config, fingerprint="f", space=space) as study:
        yield study


@pytest.fixture
def make_result() -> Callable[..., TrialResult]:
    def make(
        number: int, config: TrialConfig, objective: float | None = None, **changes: object
    ) -> TrialResult:
        candidate = Candidate(
            key=CandidateKey(trial=number, score_type="native", checkpoint=1),
            detector=config.detector,
            panel_scores=np.arange(20, dtype=np.float32),
            objective=number / 1000 if objective is None else objective,
        )
        fields = {"candidates": (candidate,), "weights": {1: {"w": np.zeros(2)}}, "state": "completed"}
        return TrialResult(trial=number, config=config, seed=number, **{**fields, **changes})

    return make
