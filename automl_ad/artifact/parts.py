"""The parts of an artifact: as a selection hands them in, and as a scorer holds them.

Shapes: S members, N panel rows, M rows to score, D encoded features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from automl_ad.artifact.ensemble import PanelECDF
from automl_ad.artifact.manifest import EXPORT_AGAIN, PartRecord
from automl_ad.detectors import DETECTORS, DeepDetector, Detector, member_mean
from automl_ad.errors import ArtifactError, TrialFailed
from automl_ad.results import Arrays, Value


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Part:
    """One candidate to be exported, with the arrays of its checkpoint."""

    detector: str
    params: Mapping[str, Value]
    """As in the trial's config; `prep` names the scaler."""
    n_features: int
    n_members: int
    score_type: str
    checkpoint: int
    trial: int
    seed: int
    weight: float
    panel_scores: npt.NDArray[np.floating]
    """[N], as the candidate was judged."""
    arrays: Arrays

    @property
    def record(self) -> PartRecord:
        """What the manifest keeps of it."""
        return PartRecord(
            detector=self.detector,
            params=dict(self.params),
            prep=str(self.params["prep"]),
            n_features=self.n_features,
            n_members=self.n_members,
            score_type=self.score_type,
            checkpoint=self.checkpoint,
            trial=self.trial,
            seed=self.seed,
            weight=self.weight,
        )


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LoadedPart:
    """A restored detector, read by one of its score types."""

    detector: Detector
    score_type: str
    prep: str
    weight: float
    panel_scores: npt.NDArray[np.float64]
    ecdf: PanelECDF

    def scores(self, x_MD: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """[M], the member mean rounded to float32, by the rule by which the panel was scored."""
        scores_SM = self.detector.scores(x_MD, types=(self.score_type,))[self.score_type]
        return member_mean(scores_SM).astype(np.float64)


def restore_part(
    record: PartRecord, arrays: Arrays, panel_scores_N: npt.NDArray[np.float64], *, path: Path, device: str
) -> LoadedPart:
    """The part ready to score. Raises ArtifactError that names the file."""
    try:
        detector = _restore_detector(record, arrays, device)
        ecdf = PanelECDF.from_scores(panel_scores_N)
    except (ArtifactError, TrialFailed) as error:
        raise ArtifactError(f"{path}: {error.message}", error.hint or EXPORT_AGAIN) from error
    except (LookupError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        # A manifest made by hand may hold params that no search proposes, and detectors trip over any.
        raise ArtifactError(
            f"{path}: detector {record.detector!r} cannot be restored: {error}", EXPORT_AGAIN
        ) from error
    return LoadedPart(
        detector=detector,
        score_type=record.score_type,
        prep=record.prep,
        weight=record.weight,
        panel_scores=panel_scores_N,
        ecdf=ecdf,
    )


def _restore_detector(record: PartRecord, arrays: Arrays, device: str) -> Detector:
    detector_type = DETECTORS.get(record.detector)
    if detector_type is None:
        raise ArtifactError(
            f"detector must be one of {', '.join(DETECTORS)}, got {record.detector!r}",
            "use the version of automl-ad that wrote the artifact",
        )
    if record.score_type not in {score_type.name for score_type in detector_type.score_types}:
        raise ArtifactError(f"{record.detector} has no score type {record.score_type!r}")
    if issubclass(detector_type, DeepDetector):
        _require_size(detector_type, record, arrays)
    detector = _build(detector_type, record)
    detector.load_arrays(arrays)
    if isinstance(detector, DeepDetector):
        detector.eval().to(torch.device(device))
    return detector


def _require_size(detector_type: type[DeepDetector], record: PartRecord, arrays: Arrays) -> None:
    """Refuse params that ask for larger networks than the file holds, before any memory is spent on them."""
    with torch.device("meta"):
        detector = _build(detector_type, record)
        assert isinstance(detector, DeepDetector)
        detector.adopt_sizes(arrays)
        n_expected = detector.n_parameters * record.n_members
    n_given = sum(array.size for array in arrays.values())
    if n_expected != n_given:
        raise ArtifactError(
            f"{record.detector} with these params must have {n_expected:,} values, got {n_given:,}",
            EXPORT_AGAIN,
        )


def _build(detector_type: type[Detector], record: PartRecord) -> Detector:
    return detector_type.build(
        record.params, n_features=record.n_features, n_members=record.n_members, seed=record.seed
    )
