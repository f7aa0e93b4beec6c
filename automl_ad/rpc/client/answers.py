"""What a client hands out: plain records of numpy arrays, made of the service's messages.

Shapes: M rows, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

import numpy as np
import numpy.typing as npt
from google.protobuf.json_format import MessageToDict

from automl_ad.errors import RowsError
from automl_ad.results import AnomalyScores, Explanations
from automl_ad.rpc.client.model_info import FeatureInfo, ModelDetails, ModelInfo, PartInfo
from automl_ad.rpc.v1 import scoring_pb2 as pb


def scores_of(response: pb.ScoreResponse) -> AnomalyScores:
    """The scores of one answer."""
    return AnomalyScores(
        anomaly_score=_floats(response.anomaly_score),
        percentile=_floats(response.percentile),
        is_anomaly=np.array(response.is_anomaly, dtype=bool),
        threshold=response.threshold,
        model=response.model,
        version=response.model_version,
        row_threshold=_floats(response.row_threshold) if response.row_threshold else None,
    )


def joined(answers: Sequence[AnomalyScores]) -> AnomalyScores:
    """The scores of all chunks of one stream as one record. Raises RowsError where there is none."""
    if not answers:
        raise RowsError("a table must have at least one row, got 0")
    first = answers[0]
    own = [answer.row_threshold for answer in answers if answer.row_threshold is not None]
    return AnomalyScores(
        anomaly_score=np.concatenate([answer.anomaly_score for answer in answers]),
        percentile=np.concatenate([answer.percentile for answer in answers]),
        is_anomaly=np.concatenate([answer.is_anomaly for answer in answers]),
        threshold=first.threshold,
        model=first.model,
        version=first.version,
        row_threshold=np.concatenate(own) if own else None,
    )


def explanations_of(response: pb.ExplainResponse) -> Explanations:
    """The explanations of one answer."""
    n_features = len(response.features)
    rows = response.explanations
    return Explanations(
        features=tuple(response.features),
        contributions=_matrix([row.contributions for row in rows], n_features),
        standard_errors=_matrix([row.standard_errors for row in rows], n_features),
        anomaly_score=_floats([row.anomaly_score for row in rows]),
        reference_score=response.reference_score,
        model=response.model,
        version=response.model_version,
    )


def model_of(model: pb.Model) -> ModelInfo:
    """One model of the list."""
    return ModelInfo(
        name=model.name,
        version=model.version,
        features=tuple(
            FeatureInfo(name=feature.name, kind=_kind(feature.kind), is_nullable=feature.is_nullable)
            for feature in model.features
        ),
        max_rows=model.max_rows,
        max_explained_rows=model.max_explained_rows,
    )


def details_of(response: pb.GetModelResponse) -> ModelDetails:
    """Everything about one model."""
    return ModelDetails(
        model=model_of(response.model),
        threshold=response.threshold.value,
        threshold_rule=response.threshold.rule,
        group_column=response.threshold.group_column,
        group_thresholds=dict(response.threshold.group_values),
        aliases=tuple(response.aliases),
        create_time=response.create_time.ToDatetime(tzinfo=UTC),
        data_fingerprint=response.data_fingerprint,
        contains_training_rows=response.contains_training_rows,
        n_panel_rows=response.n_panel_rows,
        parts=tuple(
            PartInfo(
                detector=part.detector,
                score_type=part.score_type,
                weight=part.weight,
                n_members=part.n_members,
            )
            for part in response.parts
        ),
        verdict=response.verdict,
        evidence=MessageToDict(response.evidence),
        library_versions=dict(response.library_versions),
    )


def _floats(values: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.fromiter(values, dtype=np.float64, count=len(values))


def _matrix(rows: Sequence[Sequence[float]], n_columns: int) -> npt.NDArray[np.float64]:
    return np.array(rows, dtype=np.float64).reshape(len(rows), n_columns)


def _kind(number: int) -> str:
    """A server's kind that this version does not know has no name here."""
    known = pb.FeatureKind.values()
    name = pb.FeatureKind.Name(number if number in known else pb.FEATURE_KIND_UNSPECIFIED)
    return name.removeprefix("FEATURE_KIND_").lower()
