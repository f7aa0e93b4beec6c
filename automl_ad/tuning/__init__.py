"""Which configs to try next, and where to run them. `automl_ad.tuning.ray` has the cluster's executor."""

from automl_ad.tuning.baselines import Baselines
from automl_ad.tuning.executor import Budget, Executor, OnResult, Proposer, TrialFn, TrialJob
from automl_ad.tuning.halving import AsyncHalving
from automl_ad.tuning.local import LocalExecutor
from automl_ad.tuning.sampler import Sampler

__all__ = [
    "AsyncHalving",
    "Baselines",
    "Budget",
    "Executor",
    "LocalExecutor",
    "OnResult",
    "Proposer",
    "Sampler",
    "TrialFn",
    "TrialJob",
]
