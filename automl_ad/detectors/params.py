"""Reading a detector's params: a value or its published default, refused when the method cannot use it.

The bounds here are those of the method; the narrower bounds of the search are in `search_spaces/`.
"""

from __future__ import annotations

from collections.abc import Mapping

from automl_ad.errors import TrialFailed
from automl_ad.results import Value


def read_float(
    params: Mapping[str, Value], name: str, default: float, *, above: float = 0.0, up_to: float = float("inf")
) -> float:
    """The parameter as a float in (above, up_to]; `default` when it is not given.

    >>> read_float({"nu": 0.1}, "nu", 0.5, up_to=1.0)
    0.1
    """
    value = params.get(name, default)
    if isinstance(value, bool | str) or not above < value <= up_to:
        raise TrialFailed(f"{name} must be a number in ({above:g}, {up_to:g}], got {value!r}")
    return float(value)


def read_int(params: Mapping[str, Value], name: str, default: int, *, low: int = 1) -> int:
    """The parameter as an int of at least `low`; `default` when it is not given."""
    value = params.get(name, default)
    if isinstance(value, bool | str) or not float(value).is_integer() or value < low:
        raise TrialFailed(f"{name} must be an integer of at least {low}, got {value!r}")
    return int(value)


def read_choice(params: Mapping[str, Value], name: str, choices: tuple[str, ...]) -> str:
    """The parameter as one of `choices`; the first when it is not given."""
    value = params.get(name, choices[0])
    if value not in choices:
        raise TrialFailed(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return str(value)
