"""Search-space parameters in Optuna's words, so that dashboards show real parameters.

A parameter is named `detector.parameter`: `center` of two detectors has different choices, and a name can
have only one set of choices in an Optuna study.
"""

from __future__ import annotations

from collections.abc import Mapping

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from automl_ad.results import TrialConfig, Value
from automl_ad.space import Parameter, SearchSpace

Distributions = dict[str, BaseDistribution]


def qualified(config: TrialConfig) -> dict[str, Value]:
    """The params under their Optuna names.

    >>> qualified(TrialConfig(detector="knn", params={"n_neighbors": 5}, origin="random"))
    {'knn.n_neighbors': 5}
    """
    return {f"{config.detector}.{name}": value for name, value in config.params.items()}


def unqualified(params: Mapping[str, Value]) -> dict[str, Value]:
    """The params under their own names.

    >>> unqualified({"knn.n_neighbors": 5})
    {'n_neighbors': 5}
    """
    return {name.split(".", 1)[1]: value for name, value in params.items()}


def distributions_of(config: TrialConfig, space: SearchSpace) -> Distributions:
    """The distribution of each param, by Optuna name; wide enough for values outside the space."""
    searched = space.detectors.get(config.detector)
    known = {parameter.name: parameter for parameter in searched.parameters} if searched else {}
    return {
        f"{config.detector}.{name}": _containing(value, known[name])
        if name in known
        else _around_baselines(name, value, config.detector, space)
        for name, value in config.params.items()
    }


def to_distribution(parameter: Parameter) -> BaseDistribution:
    """The parameter as Optuna samples it."""
    if parameter.kind == "categorical":
        return CategoricalDistribution(parameter.choices)
    low, high = parameter.bounds
    if parameter.kind == "int":
        return IntDistribution(int(low), int(high), log=parameter.log, step=int(parameter.step or 1))
    return FloatDistribution(low, high, log=parameter.log, step=parameter.step)


def _containing(value: Value, parameter: Parameter) -> BaseDistribution:
    """The parameter's distribution, widened to hold the value: a preset's caps do not bind baselines."""
    if not parameter.problem(value):
        return to_distribution(parameter)
    if parameter.kind == "categorical":
        return CategoricalDistribution((*parameter.choices, value))
    low, high = parameter.bounds
    number = float(value)
    if parameter.kind == "int":
        return IntDistribution(int(min(low, number)), int(max(high, number)), log=parameter.log)
    return FloatDistribution(min(low, number), max(high, number), log=parameter.log)


def _around_baselines(name: str, value: Value, detector: str, space: SearchSpace) -> BaseDistribution:
    """The distribution of a parameter that only baselines have: the values that occur in them."""
    values = [b.params[name] for b in space.baselines if b.detector == detector and name in b.params]
    values.append(value)
    if isinstance(value, bool | str):
        return CategoricalDistribution(tuple(dict.fromkeys(values)))
    numbers = [float(v) for v in values]
    if isinstance(value, int):
        return IntDistribution(int(min(numbers)), int(max(numbers)))
    return FloatDistribution(min(numbers), max(numbers))
