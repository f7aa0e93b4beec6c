"""What manifest.json says, and the rules it must keep: strict records, nothing optional, nothing extra."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    field_validator,
    model_validator,
)

from automl_ad.data.groups import MAX_GROUPS
from automl_ad.errors import ArtifactError
from automl_ad.results import Value

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
PREPROCESSING = "preprocessing.safetensors"
PANEL = "panel.safetensors"
GOLDEN = "golden.parquet"
EXPORT_AGAIN = "the artifact is damaged or was edited: export it again, or copy it again"

MAX_MANIFEST_BYTES = 16 * 2**20
"""A ranking of 1,280 candidates takes about 1 MiB; the rest is room for categories."""
MAX_PARAM = 65_536
"""No search space goes near it, and a million layers could keep a loader busy for minutes."""
MAX_FILES_BYTES = 4 * 2**30
"""All files together: what a loader may be asked to hold in memory."""
MAX_TEXT = 1_000
"""Letters of a text that people read, and of the name of a group."""
ROW_KEEPERS = frozenset({"knn", "kde", "ocsvm"})
"""Detectors whose arrays are rows they were fitted on."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Text = Annotated[str, Field(max_length=MAX_TEXT)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0, le=2**53)]
Document = dict[str, JsonValue]
OwnThresholds = Annotated[
    dict[Text, Annotated[dict[Text, float], Field(min_length=1, max_length=MAX_GROUPS)]],
    Field(min_length=1, max_length=1),
]
_R = TypeVar("_R", bound=BaseModel)


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class FileRecord(_Record):
    """Size and content of one file."""

    size_bytes: Annotated[int, Field(ge=0, le=MAX_FILES_BYTES)]
    sha256: Sha256


class Threshold(_Record):
    """Rows scoring above `value` are anomalies; `rule` says in words where the value comes from."""

    value: float
    rule: Text
    per_group: OwnThresholds | None = None
    """Column -> its value as text -> the threshold of rows with it. Absent: one threshold for all rows."""


class PartRecord(_Record):
    """One candidate of the output: which fit, which reading of it, and its weight."""

    detector: Annotated[str, Field(pattern=r"^[a-z0-9_:.-]{1,64}$")]
    params: Annotated[dict[Name, Value], Field(max_length=64)]
    prep: Name
    n_features: Annotated[int, Field(ge=1, le=2**20)]
    n_members: Annotated[int, Field(ge=1, le=64)]
    score_type: Name
    checkpoint: Count
    trial: Count
    seed: Count
    weight: Annotated[float, Field(gt=0, le=1)]

    @field_validator("params")
    @classmethod
    def _are_bounded(cls, params: dict[str, Value]) -> dict[str, Value]:
        for name, value in params.items():
            size = len(value) if isinstance(value, str) else abs(value)
            if size > MAX_PARAM:
                raise ValueError(f"{name} must not exceed {MAX_PARAM}, got {str(value)[:40]}")
        return params


class Manifest(_Record):
    """Everything about an artifact that is not an array."""

    schema_version: Literal[1]
    name: Name
    version: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    """`content_version` of this manifest: changes with any part, threshold, preprocessing or evidence."""
    created: datetime
    data_fingerprint: Text
    seed: Count
    study: Document
    """The settings of the study, for people and for comparing artifacts."""
    evidence: Document
    """Why this was selected: verdict, ranking, criteria."""
    preprocessing: Document
    """`Preprocessor.to_json`, the feature schema included."""
    parts: Annotated[tuple[PartRecord, ...], Field(min_length=1, max_length=64)]
    vote_rate: Annotated[float, Field(gt=0, lt=1)] | None = None
    """See `combine`. Absent: the parts' mean, as in every artifact written before votes were known."""
    threshold: Threshold
    n_panel_rows: Annotated[int, Field(ge=1, le=10_000_000)]
    contains_training_rows: bool
    library_versions: dict[Name, Text]
    files: dict[str, FileRecord]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        expected = set(file_names(len(self.parts)))
        if set(self.files) != expected:
            raise ValueError(f"files must be exactly {sorted(expected)}, got {sorted(self.files)}")
        if sum(record.size_bytes for record in self.files.values()) > MAX_FILES_BYTES:
            raise ValueError(f"files must not exceed {MAX_FILES_BYTES} bytes together")
        if abs(sum(part.weight for part in self.parts) - 1.0) > 1e-6:
            raise ValueError("weights of the parts must sum to 1")
        if self.contains_training_rows != keeps_rows(part.detector for part in self.parts):
            raise ValueError(f"contains_training_rows must be true for {sorted(ROW_KEEPERS)}, else false")
        return self


class _Header(BaseModel):
    """The two fields that any version of the format can be asked for."""

    schema_version: Annotated[int, Field(strict=True, ge=1)]
    library_versions: dict[str, JsonValue] = {}


def part_file(index: int) -> str:
    """The file that holds a part's arrays.

    >>> part_file(0)
    'part-0.safetensors'
    """
    return f"part-{index}.safetensors"


def file_names(n_parts: int) -> tuple[str, ...]:
    """Every file of an artifact but the manifest. Names are fixed, so no manifest can point elsewhere."""
    return (*(part_file(i) for i in range(n_parts)), PREPROCESSING, PANEL, GOLDEN)


def keeps_rows(detectors: Iterable[str]) -> bool:
    """Whether one of the detectors carries rows of the training data.

    >>> keeps_rows(["autoencoder", "knn"])
    True
    """
    return not ROW_KEEPERS.isdisjoint(detectors)


def content_version(manifest: Manifest) -> str:
    """16 hex digits of SHA-256 over the manifest, which holds every file's hash.

    The time of creation is left out: the same content gets the same version on any day.
    """
    document = manifest.model_dump(mode="json", exclude={"version", "created"})
    if manifest.vote_rate is None:
        del document["vote_rate"]  # the hashes of artifacts without it stay what they were
    if manifest.threshold.per_group is None:
        del document["threshold"]["per_group"]  # likewise
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """The manifest in the bytes of the file at `path`.

    Raises ArtifactError when it is of a newer format, breaks a rule, or is not what was exported.
    """
    _require_known(_validated(_Header, content, path), path)
    manifest = _validated(Manifest, content, path)
    try:
        version = content_version(manifest)
    except ValueError as error:  # NaN, which pydantic lets pass in free documents
        raise ArtifactError(f"{path}: every number must be finite, got: {error}", EXPORT_AGAIN) from error
    if version != manifest.version:
        raise ArtifactError(
            f"{path}: version must be {version}, the hash of the content, got {manifest.version}: "
            "the manifest was changed",
            EXPORT_AGAIN,
        )
    return manifest


def _validated(record: type[_R], content: bytes, path: Path) -> _R:
    try:
        return record.model_validate_json(content)
    except ValidationError as error:
        raise ArtifactError(f"{path}: {first_rule(error)}", EXPORT_AGAIN) from error


def _require_known(header: _Header, path: Path) -> None:
    if header.schema_version > SCHEMA_VERSION:
        writer = header.library_versions.get("automl-ad", "unknown")
        raise ArtifactError(
            f"{path}: schema_version must be at most {SCHEMA_VERSION}, got {header.schema_version}",
            f"upgrade automl-ad (it was written by version {writer}), or export it again with this version",
        )


def first_rule(error: ValidationError) -> str:
    """The first rule that a record breaks, with its place in the document."""
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
