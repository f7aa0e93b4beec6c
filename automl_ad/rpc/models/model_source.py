"""From where the models are to models that can be served."""

from __future__ import annotations

from time import perf_counter

import torch

from automl_ad.artifact import Scorer
from automl_ad.artifact.registry import Registry
from automl_ad.rpc.models import FixedModels, Models
from automl_ad.rpc.models.live_models import LiveModels
from automl_ad.rpc.options import ModelSource
from automl_ad.rpc.telemetry.metrics import Metrics


def score_on_one_thread_each() -> None:
    """Leave the cores to calls that run side by side; for processes that only serve.

    It also keeps scores to the last bit: with three or more threads torch splits the sums of some networks.
    """
    torch.set_num_threads(1)


def open_models(source: ModelSource, metrics: Metrics) -> Models:
    """The models of the source; artifacts are loaded here, a registry by `start`.

    Raises ArtifactError, and ConfigError where two artifacts have one name.
    """
    if source.registry is not None:
        return LiveModels(Registry.open(source.registry), source, metrics)
    scorers = []
    for path in source.artifacts:
        started = perf_counter()
        scorer = Scorer.load(path, device=source.device)
        seconds = perf_counter() - started
        metrics.model_loaded(scorer.name, scorer.version, seconds, scorer.panel_percentiles)
        scorers.append(scorer)
    return FixedModels(scorers)
