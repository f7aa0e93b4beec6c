"""What one search may try: the spaces of its detectors, and the baselines beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from automl_ad.results import TrialConfig
from automl_ad.space.detector_space import DetectorSpace


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """Which detectors are searched by default, and how much one trial may cost."""

    name: str
    description: str
    detectors: tuple[str, ...]
    n_members: int
    caps: Mapping[str, int] = field(default_factory=dict)
    """Int parameter -> its highest value in this preset; defaults are lowered to it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpace:
    """The detectors that are searched, capped by the preset, and the baselines, which no preset changes."""

    preset: Preset
    detectors: Mapping[str, DetectorSpace]
    named_baselines: Mapping[str, TrialConfig]

    @property
    def baselines(self) -> tuple[TrialConfig, ...]:
        """The fixed configs that run before the search and outside its budget of trials."""
        return tuple(self.named_baselines.values())

    def published_defaults(self) -> tuple[TrialConfig, ...]:
        """The published config of each searched detector, unless a baseline already is that config."""
        done = [(baseline.detector, baseline.params) for baseline in self.baselines]
        defaults = ((name, space.defaults()) for name, space in self.detectors.items())
        return tuple(
            TrialConfig(detector=name, params=params, origin="default")
            for name, params in defaults
            if (name, params) not in done
        )
