"""How the values of one search-space file must fit together; a broken rule is a SpaceError.

`file_format` has already checked keys and types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automl_ad.errors import SpaceError, did_you_mean
from automl_ad.space.known import check_known
from automl_ad.space.parameter import Parameter, is_multiple

FIX_A_VALUE = 'to fix a value, use type = "categorical" with one choice'


def check_parameters(parameters: Sequence[Parameter], *, file: str) -> None:
    """Raise SpaceError at the first parameter, in order, that breaks a rule."""
    known = [parameter.name for parameter in parameters]
    earlier: dict[str, Parameter] = {}
    for parameter in parameters:
        where = f"for '{parameter.name}' in {file}"
        if parameter.kind == "categorical":
            _check_choices(parameter, where)
        else:
            _check_range(parameter, where)
        _check_default(parameter, where)
        _check_when(parameter, earlier, known, where)
        earlier[parameter.name] = parameter


def check_like_shipped(
    parameters: Sequence[Parameter], shipped: Mapping[str, Parameter], *, file: str
) -> None:
    """Raise SpaceError unless a detector that knows `shipped` can use these parameters.

    Bounds and numeric choices may be wider, parameters may be left out; names, types and words must agree.
    """
    for parameter in parameters:
        where = f"for '{parameter.name}' in {file}"
        check_known("parameter", parameter.name, shipped, file=file)
        model = shipped[parameter.name]
        expected, found = model.value_type.__name__, parameter.value_type.__name__
        _require(found == expected, f"values must be of type {expected} {where}, got {found}")
        for choice in parameter.choices if expected == "str" else ():
            _require(not model.problem(choice), f"choices {model.problem(choice)} {where}, got {choice!r}")
    names = [parameter.name for parameter in parameters]
    _require(
        "prep" in names,
        f"'prep' must be a parameter in {file}, got {', '.join(names) or 'none'}",
        "it chooses the scaler of the rows: copy its entry from `automl-ad space show autoencoder`",
    )


def _check_range(parameter: Parameter, where: str) -> None:
    (low, high), step, log = parameter.bounds, parameter.step, parameter.log
    _require(low < high, f"low must be below high {where}, got low={low}, high={high}", FIX_A_VALUE)
    _require(not log or low > 0, f"low must be above 0 with log {where}, got low={low}")
    if step is None:
        return
    _require(not log, f"step must be left out with log {where}, got step={step}")
    _require(step > 0, f"step must be above 0 {where}, got step={step}")
    _require(
        is_multiple(high - low, step),
        f"high must be low plus a multiple of step {where}, got low={low}, high={high}, step={step}",
    )


def _check_choices(parameter: Parameter, where: str) -> None:
    choices = parameter.choices
    _require(bool(choices), f"choices must hold at least one value {where}, got []")
    types = sorted({type(choice).__name__ for choice in choices})
    _require(
        len(types) == 1,
        f"choices must be of one type {where}, got {', '.join(types)}",
        "write 1.0 instead of 1 among floats" if types == ["float", "int"] else "",
    )
    repeated = [choice for i, choice in enumerate(choices) if choice in choices[:i]]
    _require(not repeated, f"choices must differ {where}, got {', '.join(map(repr, repeated))} twice")


def _check_default(parameter: Parameter, where: str) -> None:
    default, rule = parameter.default, parameter.default_rule
    given = f"default={default!r}, default_rule={rule!r}"
    _require(
        (default is None) == bool(rule),
        f"default or default_rule must be given, not both, {where}, got {given}",
    )
    if default is not None and (problem := parameter.problem(default)):
        raise SpaceError(f"default {problem} {where}, got {default!r}")


def _check_when(
    parameter: Parameter, earlier: Mapping[str, Parameter], known: Sequence[str], where: str
) -> None:
    for other, values in parameter.when.items():
        if other not in earlier:
            is_later = other in known
            hint = f"move '{other}' above '{parameter.name}'" if is_later else did_you_mean(other, earlier)
            raise SpaceError(f"when must name an earlier parameter {where}, got '{other}'", hint)
        condition = earlier[other]
        rule = f"when must not compare a float parameter {where}, got '{other}'"
        _require(condition.kind != "float", rule, "equality of floats never happens; use a categorical")
        _require(bool(values), f"when must hold at least one value of '{other}' {where}, got []")
        for value in values:
            problem = condition.problem(value)
            _require(not problem, f"when: '{other}' {problem} {where}, got {value!r}")


def _require(holds: bool, rule: str, hint: str = "") -> None:
    if not holds:
        raise SpaceError(rule, hint)
