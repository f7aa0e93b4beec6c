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


def score_on_few_threads() -> None:
    """Leave the cores to calls that run side by side; for processes that only serve.

    Two are as exact as one; from three on, torch splits sums of some networks by the size of the batch.
    """
    torch.set_num_threads(min(2, torch.get_num_threads()))


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
