"""All configs one detector allows: defaults, random draws, and the check of a given config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from automl_ad.errors import SpaceError, did_you_mean
from automl_ad.results import Value
from automl_ad.space.parameter import Parameter, is_same

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True, slots=True)
class DetectorSpace:
    """The parameters of one detector, in the order of its file; a condition only looks back."""

    detector: str
    parameters: tuple[Parameter, ...]
    data_kinds: tuple[str, ...] = ("tabular", "image")
    """What the detector can read."""

    def __getitem__(self, name: str) -> Parameter:
        """The parameter of that name; SpaceError names the nearest one when there is none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        raise SpaceError(
            f"every parameter must belong to the detector, got '{name}' for {self.detector}",
            did_you_mean(name, [parameter.name for parameter in self.parameters]),
        )

    def active(self, name: str, config: Mapping[str, Value]) -> bool:
        """Whether the parameter exists, given the values of the earlier ones."""
        return all(
            other in config and any(is_same(config[other], value) for value in values)
            for other, values in self[name].when.items()
        )

    def defaults(self) -> dict[str, Value]:
        """The published config. A parameter with a `default_rule` is left out: the detector applies it."""
        config: dict[str, Value] = {}
        for parameter in self.parameters:
            if parameter.default is not None and self.active(parameter.name, config):
                config[parameter.name] = parameter.default
        return config

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """A config with every active parameter drawn on its own."""
        config: dict[str, Value] = {}
        for parameter in self.parameters:
            if self.active(parameter.name, config):
                config[parameter.name] = parameter.sample(rng)
        return config

    def validate(self, config: Mapping[str, Value]) -> None:
        """Raise SpaceError unless the config holds exactly the active parameters, with allowed values.

        Only a parameter with a `default_rule` may be left out.
        """
        for name in config:
            self._check_value(self[name], config)
        for parameter in self.parameters:
            is_needed = parameter.name not in config and not parameter.default_rule
            if is_needed and self.active(parameter.name, config):
                given = ", ".join(config) or "nothing"
                raise SpaceError(
                    f"'{parameter.name}' of {self.detector} must be given, got {given}",
                    f"its default is {parameter.default!r}",
                )

    def _check_value(self, parameter: Parameter, config: Mapping[str, Value]) -> None:
        name, value = parameter.name, config[parameter.name]
        if not self.active(name, config):
            rule = f"must be left out unless {describe_when(parameter)}"
            raise SpaceError(f"'{name}' of {self.detector} {rule}, got {value!r}")
        if problem := parameter.problem(value):
            words = [choice for choice in parameter.choices if isinstance(choice, str)]
            hint = did_you_mean(value, words) if isinstance(value, str) else ""
            raise SpaceError(f"'{name}' of {self.detector} {problem}, got {value!r}", hint)


def describe_when(parameter: Parameter) -> str:
    """The condition as text.

    >>> describe_when(Parameter(name="nu", kind="float", when={"objective": ("soft",)}))
    "objective is 'soft'"
    """
    return " and ".join(
        f"{other} is {' or '.join(map(repr, values))}" for other, values in parameter.when.items()
    )
