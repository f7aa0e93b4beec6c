"""The recorded decision about every column: a feature with its policy, or dropped with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FeatureKind = Literal["numeric", "boolean", "categorical", "timestamp", "image"]
DataKind = Literal["tabular", "image"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One raw column that detectors see, after encoding."""

    name: str
    kind: FeatureKind
    arrow_type: str
    """As it was in the fitted data; scoring accepts every type that converts safely."""
    is_nullable: bool
    """Missing values were seen at fit. Only then they are accepted at scoring."""
    policy: str
    """How it is encoded, for a person."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """A raw column that is no feature."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Schema:
    """What a row must look like to be scored."""

    kind: DataKind
    features: tuple[Feature, ...]
    dropped: tuple[Dropped, ...] = ()

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the raw features, in schema order."""
        return tuple(feature.name for feature in self.features)

    @property
    def is_all_numeric(self) -> bool:
        """Whether a row can be given as plain numbers (booleans as 0 and 1)."""
        return all(feature.kind in ("numeric", "boolean") for feature in self.features)
