"""Defaults, draws and validation of configs, on every shipped space and on small ones of our own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl_ad.errors import SpaceError
from automl_ad.space import DetectorSpace, Parameter, detector_names, load_detector

SPACES = {
    (name, kind): load_detector(name, data_kind=kind)
    for name in detector_names()
    for kind in ("tabular", "image")
}
KEYS = st.sampled_from(sorted(SPACES))
SEEDS = st.integers(0, 2**32 - 1)


@given(key=KEYS, seed=SEEDS)
def test_every_sample_validates_and_holds_exactly_the_active_parameters(key: Any, seed: int) -> None:
    space = SPACES[key]
    config = space.sample(np.random.default_rng(seed))
    space.validate(config)
    assert list(config) == [p.name for p in space.parameters if space.active(p.name, config)]


@given(key=KEYS, seed=SEEDS)
def test_samples_are_plain_python_and_reproducible(key: Any, seed: int) -> None:
    config = SPACES[key].sample(np.random.default_rng(seed))
    assert config == SPACES[key].sample(np.random.default_rng(seed))
    assert {type(value) for value in config.values()} <= {bool, int, float, str}


@pytest.mark.parametrize("key", SPACES)
def test_defaults_validate_and_leave_rules_to_the_detector(key: tuple[str, str]) -> None:
    space = SPACES[key]
    defaults = space.defaults()
    space.validate(defaults)
    assert not [name for name in defaults if space[name].default_rule]


@given(seed=SEEDS)
def test_soft_boundary_alone_has_nu(seed: int) -> None:
    config = SPACES["deep_svdd", "tabular"].sample(np.random.default_rng(seed))
    assert ("nu" in config) == (config["objective"] == "soft")


def draws(parameter: Parameter, n: int = 2_000) -> list[Any]:
    rng = np.random.default_rng(0)
    return [parameter.sample(rng) for _ in range(n)]


@pytest.mark.parametrize("log", [False, True])
def test_integers_reach_both_ends_and_nothing_beyond(log: bool) -> None:
    values = draws(Parameter(name="k", kind="int", low=1, high=20, log=log, default=1))
    assert set(values) == set(range(1, 21))


INTEGERS = [
    (name, p.name)
    for name, kind in SPACES
    if kind == "tabular"
    for p in SPACES[name, kind].parameters
    if p.kind == "int"
]


@pytest.mark.parametrize(("detector", "name"), INTEGERS)
def test_shipped_integers_reach_both_ends(detector: str, name: str) -> None:
    parameter = SPACES[detector, "tabular"][name]
    # The rarest end, 256 in log[2, 256], has .08 % of the draws: 16 of these.
    values = draws(parameter, 20_000)
    assert (min(values), max(values)) == parameter.bounds


def test_a_log_draw_is_uniform_in_the_logarithm() -> None:
    logs = np.log10(draws(Parameter(name="lr", kind="float", low=1e-4, high=1e-2, log=True, default=1e-3)))
    assert abs(np.mean(logs) + 3) < 0.05
    assert abs(np.std(logs) - 2 / math.sqrt(12)) < 0.03


def test_a_linear_draw_is_uniform() -> None:
    values = draws(Parameter(name="share", kind="float", low=0.0, high=1.0, default=0.5))
    assert abs(np.mean(values) - 0.5) < 0.03
    assert abs(np.std(values) - 1 / math.sqrt(12)) < 0.02


@given(
    kind=st.sampled_from(["int", "float"]),
    low=st.integers(-5, 5),
    n_steps=st.integers(1, 30),
    step=st.sampled_from([1, 3, 50]),
    seed=SEEDS,
)
def test_steps_stay_on_the_grid(kind: Any, low: int, n_steps: int, step: int, seed: int) -> None:
    scale = 1 if kind == "int" else 0.1
    high = (low + n_steps * step) * scale
    parameter = Parameter(name="a", kind=kind, low=low * scale, high=high, step=step * scale, default=0)
    value = parameter.sample(np.random.default_rng(seed))
    assert type(value).__name__ == kind
    assert parameter.problem(value) == ""


def test_a_cap_lowers_the_end_and_the_default_but_never_raises_them() -> None:
    epochs = Parameter(name="n_epochs", kind="int", low=10, high=300, log=True, default=150)
    capped = epochs.capped(30)
    assert (capped.low, capped.high, capped.default) == (10, 30, 30)
    assert epochs.capped(1000) == epochs
    assert Parameter(name="d", kind="int", low=2, high=9, default_rule="r").capped(5).default is None


WRONG = [
    ({"nu": 0.1}, "'nu' of deep_svdd must be left out unless objective is 'soft', got 0.1"),
    ({"objective": "soft"}, "'nu' of deep_svdd must be given"),
    ({"objective": "sfot"}, "'objective' of deep_svdd must be one of 'hard', 'soft', got 'sfot'"),
    ({"n_layers": True}, "'n_layers' of deep_svdd must be an integer, got True"),
    ({"n_layers": 2.0}, "'n_layers' of deep_svdd must be an integer, got 2.0"),
    ({"n_layers": 4}, "'n_layers' of deep_svdd must be in [1, 3], got 4"),
    ({"latent_size": 1}, "'latent_size' of deep_svdd must be in [2, 256], got 1"),
    ({"learning_rate": "1e-3"}, "'learning_rate' of deep_svdd must be a number, got '1e-3'"),
    ({"learning_rate": float("nan")}, "'learning_rate' of deep_svdd must be in [0.0001, 0.01], got nan"),
    ({"n_layer": 2}, "every parameter must belong to the detector, got 'n_layer' for deep_svdd"),
]


@pytest.mark.parametrize(("change", "sentence"), WRONG)
def test_a_wrong_config_is_refused_by_name(change: dict[str, Any], sentence: str) -> None:
    space = SPACES["deep_svdd", "tabular"]
    with pytest.raises(SpaceError) as caught:
        space.validate(space.defaults() | change)
    assert caught.value.message.startswith(sentence)


def test_only_a_parameter_with_a_rule_may_be_missing() -> None:
    space = SPACES["knn", "tabular"]
    with pytest.raises(SpaceError, match="'aggregate' of knn must be given, got prep, n_neighbors"):
        space.validate({"prep": "zscore", "n_neighbors": 5})
    deep = SPACES["autoencoder", "tabular"]
    deep.validate(deep.defaults() | {"latent_size": 8})
    deep.validate(deep.defaults())


def test_unknown_words_and_names_come_with_the_nearest_one() -> None:
    space = SPACES["deep_svdd", "tabular"]
    with pytest.raises(SpaceError) as caught:
        space.validate(space.defaults() | {"objective": "sfot"})
    assert caught.value.hint == "did you mean 'soft'?"
    with pytest.raises(SpaceError) as caught:
        space.active("learning_rte", {})
    assert caught.value.hint == "did you mean 'learning_rate'?"


def test_conditions_chain_and_tell_true_from_one() -> None:
    space = DetectorSpace(
        detector="x",
        parameters=(
            Parameter(name="a", kind="categorical", choices=(True, False), default=True),
            Parameter(name="b", kind="int", low=0, high=1, default=1, when={"a": (True,)}),
            Parameter(name="c", kind="float", low=0, high=1, default=0.5, when={"b": (1,)}),
        ),
    )
    assert space.defaults() == {"a": True, "b": 1, "c": 0.5}
    assert not space.active("b", {"a": 1})
    assert not space.active("c", {"a": False})
    space.validate({"a": False})
    space.validate({"c": 0.5, "b": 1, "a": True})
