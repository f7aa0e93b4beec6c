"""What the service says of its models, as plain records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureInfo:
    """One column that a model reads."""

    name: str
    kind: str
    """numeric, boolean, categorical, timestamp or image; unspecified: the server is newer than the client."""
    is_nullable: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """A model and the rows it expects."""

    name: str
    version: str
    features: tuple[FeatureInfo, ...]
    """In the order of a matrix row."""
    max_rows: int
    """Of one request."""
    max_explained_rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PartInfo:
    """One detector of a model's output."""

    detector: str
    score_type: str
    weight: float
    n_members: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDetails:
    """Everything about one model: what it expects, where it comes from, why it was chosen."""

    model: ModelInfo
    threshold: float
    threshold_rule: str
    group_column: str
    """The column that names a row's group; empty where groups have no thresholds of their own."""
    group_thresholds: Mapping[str, float]
    aliases: tuple[str, ...]
    create_time: datetime
    data_fingerprint: str
    contains_training_rows: bool
    n_panel_rows: int
    parts: tuple[PartInfo, ...]
    verdict: str
    evidence: Mapping[str, Any]
    library_versions: Mapping[str, str]
