"""Draws one config inside one detector's space with Optuna's TPE."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import cast

import optuna
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial

from automl_ad.results import Value
from automl_ad.space import DetectorSpace, Parameter
from automl_ad.study import to_distribution


def tpe_draw(space: DetectorSpace, history: Sequence[FrozenTrial], *, seed: int) -> dict[str, Value]:
    """A config where the model of the history expects much. Running trials count as bad, to spread workers.

    The history is copied into a study in memory that lives as long as this call: the study folder's index
    holds all detectors, and there TPE would model one joint space of which every trial has only a part.
    """
    study = optuna.create_study(direction="maximize", sampler=_sampler(seed))
    study.add_trials(history)
    trial = study.ask()
    config: dict[str, Value] = {}
    for parameter in space.parameters:
        if space.active(parameter.name, config):
            config[parameter.name] = _suggest(trial, f"{space.detector}.{parameter.name}", parameter)
    return config


def _sampler(seed: int) -> TPESampler:
    with warnings.catch_warnings():
        # Without `group`, parameters under a condition are sampled independently (PLATFORM 4.2, 5).
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(n_startup_trials=1, multivariate=True, group=True, constant_liar=True, seed=seed)


def _suggest(trial: Trial, name: str, parameter: Parameter) -> Value:
    distribution = to_distribution(parameter)
    if isinstance(distribution, CategoricalDistribution):
        return cast(Value, trial.suggest_categorical(name, parameter.choices))
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, log=distribution.log, step=distribution.step
        )
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(
        name, distribution.low, distribution.high, log=distribution.log, step=distribution.step
    )
