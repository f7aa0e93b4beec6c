"""The parameters that all deep detectors share, read once and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, cast, get_args

from automl_ad.detectors.params import read_choice, read_float, read_int
from automl_ad.errors import TrialFailed
from automl_ad.nn import Activation, Norm, default_latent_size, hidden_sizes
from automl_ad.results import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Published:
    """What a method's paper, or its code, trains with: the settings that params leave open."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 1e-7
    activation: Activation = "leaky_relu"
    norm: Norm = "none"
    latent_size: int | None = None
    """None: by the rule of METHODS 0.3."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSettings:
    """Sizes of the encoder, mirrored by the decoder, and what stands between its layers."""

    sizes: tuple[int, ...]
    """Features, hidden layers, latent size."""
    activation: Activation
    norm: Norm

    @classmethod
    def read(cls, params: Mapping[str, Value], n_features: int, published: Published) -> Self:
        """The settings in `params`, else the published ones.

        Sizes follow METHODS 0.3 with `n_layers` and `width`, unless `hidden` names them, as in "10-4".
        Raises TrialFailed.
        """
        with_defaults = {"activation": published.activation, "norm": published.norm, **params}
        latent_size = published.latent_size or default_latent_size(n_features)
        return cls(
            sizes=(
                n_features,
                *_read_hidden(params, n_features),
                read_int(params, "latent_size", latent_size),
            ),
            activation=cast(Activation, read_choice(with_defaults, "activation", get_args(Activation))),
            norm=cast(Norm, read_choice(with_defaults, "norm", get_args(Norm))),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizationSettings:
    """How long and how fast to train."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float

    @classmethod
    def read(cls, params: Mapping[str, Value], published: Published) -> Self:
        """The settings in `params`, else the published ones. Raises TrialFailed."""
        return cls(
            n_epochs=read_int(params, "n_epochs", published.n_epochs),
            batch_size=read_int(params, "batch_size", published.batch_size, low=2),
            learning_rate=read_float(params, "learning_rate", published.learning_rate),
            weight_decay=read_float(params, "weight_decay", published.weight_decay),
        )


def _read_hidden(params: Mapping[str, Value], n_features: int) -> tuple[int, ...]:
    if "hidden" not in params:
        n_layers = read_int(params, "n_layers", 2)
        return hidden_sizes(n_features, n_layers, read_float(params, "width", 1.0))
    parts = str(params["hidden"]).split("-")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise TrialFailed(f"hidden must be layer sizes such as '128-64', got {params['hidden']!r}")
    return tuple(int(part) for part in parts)
