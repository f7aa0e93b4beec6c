from collections.abc import Callable

import numpy as np
import pytest

from automl_ad.config import SearchConfig
from automl_ad.results import Candidate, CandidateKey, TrialConfig, TrialResult
from automl_ad.space import SearchSpace, load_space

ResultMaker = Callable[..., TrialResult]


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    return load_space("fast", data_kind="tabular", only=("knn", "autoencoder"))


@pytest.fixture
def config() -> SearchConfig:
    return SearchConfig(max_trials=10, seed=3)


@pytest.fixture
def make_result() -> ResultMaker:
    def make(
        number: int,
        *,
        config: TrialConfig | None = None,
        objectives: tuple[float | None, ...] = (0.2, 0.5),
        **changes: object,
    ) -> TrialResult:
        rng = np.random.default_rng(number)
        candidates = tuple(
            Candidate(
                key=CandidateKey(trial=number, score_type="distance", checkpoint=5 * (i + 1)),
                detector="knn",
                panel_scores=rng.random(30, dtype=np.float32),
                probe_scores={"shift": rng.random(7, dtype=np.float32)},
                objective=objective,
                member_agreement=0.5,
                diagnostics={"latent_variance": float("nan"), "ratio": 1.5},
            )
            for i, objective in enumerate(objectives)
        )
        fields = {
            "trial": number,
            "config": config or TrialConfig(detector="knn", params={"n_neighbors": 5}, origin="random"),
            "seed": 3 + number,
            "state": "completed",
            "candidates": candidates,
            "losses": np.array([[1.0, np.nan]], np.float32),
            "weights": {c.key.checkpoint: {"rows": rng.random((4, 3))} for c in candidates},
            "n_features": 3,
            "seconds": 0.25,
        }
        return TrialResult(**{**fields, **changes})

    return make
