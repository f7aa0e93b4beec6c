"""What ListModels and GetModel tell of a model: what it expects, where it comes from, why it was chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Struct

from automl_ad.rpc.options import Limits
from automl_ad.rpc.v1 import scoring_pb2 as pb

if TYPE_CHECKING:
    from automl_ad.artifact import Manifest, Scorer, Threshold
    from automl_ad.rpc.models import ServedModel

KINDS = {
    "numeric": pb.FEATURE_KIND_NUMERIC,
    "boolean": pb.FEATURE_KIND_BOOLEAN,
    "categorical": pb.FEATURE_KIND_CATEGORICAL,
    "timestamp": pb.FEATURE_KIND_TIMESTAMP,
    "image": pb.FEATURE_KIND_IMAGE,
}
MAX_EVIDENCE_BYTES = 512 * 1024
"""A quarter of it is the evidence of the largest study so far."""
MAX_RANKED = 50
"""Rows of a list that are sent: `automl-ad show --json` has the others."""
MAX_DEPTH = 16
"""Deeper documents are cut: protobuf reads at most 100 messages in one another, and a level takes three."""


def model_of(scorer: Scorer | ServedModel, limits: Limits) -> pb.Model:
    """What a client must know of a model."""
    features = [
        pb.Feature(name=feature.name, kind=KINDS[feature.kind], is_nullable=feature.is_nullable)
        for feature in scorer.schema.features
    ]
    return pb.Model(
        name=scorer.name,
        version=scorer.version,
        features=features,
        max_rows=limits.max_rows,
        max_explained_rows=limits.max_explained_rows,
    )


def details_of(scorer: Scorer, aliases: Sequence[str], limits: Limits) -> pb.GetModelResponse:
    """What is known of the model; `aliases` are those of its version."""
    manifest = scorer.manifest
    response = pb.GetModelResponse(
        model=model_of(scorer, limits),
        threshold=_threshold(manifest.threshold),
        aliases=aliases,
        data_fingerprint=manifest.data_fingerprint,
        contains_training_rows=manifest.contains_training_rows,
        n_panel_rows=manifest.n_panel_rows,
        parts=_parts(manifest),
        verdict=str(manifest.evidence.get("verdict", "")),
        evidence=_evidence(manifest.evidence),
        library_versions=manifest.library_versions,
    )
    response.create_time.FromDatetime(manifest.created)
    return response


def _threshold(threshold: Threshold) -> pb.Threshold:
    column, own = next(iter((threshold.per_group or {}).items()), ("", {}))
    return pb.Threshold(value=threshold.value, rule=threshold.rule, group_column=column, group_values=own)


def _parts(manifest: Manifest) -> list[pb.Part]:
    return [
        pb.Part(
            detector=part.detector,
            score_type=part.score_type,
            weight=part.weight,
            n_members=part.n_members,
        )
        for part in manifest.parts
    ]


def _evidence(document: Any) -> Struct:
    """The document; entries that would make it too large are null, the largest first."""
    plain = _plain(document, MAX_DEPTH)
    evidence = Struct()
    evidence.update(plain)
    while evidence.ByteSize() > MAX_EVIDENCE_BYTES:
        sizes = {name: value.ByteSize() for name, value in evidence.fields.items()}
        largest = max(sizes, key=lambda name: sizes[name] + len(name))
        if not evidence.fields[largest].HasField("null_value"):
            evidence[largest] = None
        else:
            del evidence.fields[largest]
    return evidence


def _plain(value: Any, depth: int) -> Any:
    """The value as Struct has it: long lists cut, null for what JSON has no word for."""
    if isinstance(value, dict):
        return {key: _plain(inner, depth - 1) for key, inner in value.items()} if depth else None
    if isinstance(value, list):
        return [_plain(inner, depth - 1) for inner in value[:MAX_RANKED]] if depth else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value)
    return value


def _finite(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
