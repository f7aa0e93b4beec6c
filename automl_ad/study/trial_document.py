"""A trial result as one JSON document and one set of arrays, and back.

`result.json` holds every plain value; `panel.safetensors` the arrays, named
`panel/TYPE@CHECKPOINT` [N], `probe/TYPE@CHECKPOINT/GENERATOR` [P], `hindsight/TYPE@CHECKPOINT` [H] and
`losses` [S, E]. For an evaluation, `members.safetensors` holds `TYPE@CHECKPOINT/ROWS` [S, ...].
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from automl_ad.results import (
    Arrays,
    Candidate,
    CandidateKey,
    Origin,
    TrialConfig,
    TrialResult,
    TrialState,
    Value,
)


class _Document(BaseModel):
    # JSON has no NaN; as text it survives every parser, and pydantic reads it back as a float.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class CandidateDocument(_Document):
    """The plain part of a candidate."""

    score_type: str
    checkpoint: int
    objective: float | None
    member_agreement: float | None
    member_jaccard: float | None
    diagnostics: dict[str, float]


class TrialDocument(_Document):
    """The plain part of a trial result: `result.json`."""

    format: Literal[1] = 1
    trial: int
    detector: str
    params: dict[str, Value]
    origin: Origin
    seed: int
    state: TrialState
    reason: str
    phase_starts: tuple[int, ...]
    candidates: list[CandidateDocument]
    n_features: int
    n_members: int
    n_parameters: int
    seconds: float
    peak_bytes: int


def to_document(result: TrialResult) -> TrialDocument:
    """The plain part of the result."""
    return TrialDocument(
        trial=result.trial,
        detector=result.config.detector,
        params=dict(result.config.params),
        origin=result.config.origin,
        seed=result.seed,
        state=result.state,
        reason=result.reason,
        phase_starts=result.phase_starts,
        candidates=[_candidate_document(candidate) for candidate in result.candidates],
        n_features=result.n_features,
        n_members=result.n_members,
        n_parameters=result.n_parameters,
        seconds=result.seconds,
        peak_bytes=result.peak_bytes,
    )


def _candidate_document(candidate: Candidate) -> CandidateDocument:
    return CandidateDocument(
        score_type=candidate.key.score_type,
        checkpoint=candidate.key.checkpoint,
        objective=candidate.objective,
        member_agreement=candidate.member_agreement,
        member_jaccard=candidate.member_jaccard,
        diagnostics=dict(candidate.diagnostics),
    )


def to_arrays(result: TrialResult) -> dict[str, npt.NDArray[np.generic]]:
    """The arrays of the result, weights left out."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for candidate in result.candidates:
        name = f"{candidate.key.score_type}@{candidate.key.checkpoint}"
        arrays[f"panel/{name}"] = candidate.panel_scores
        for generator, scores in candidate.probe_scores.items():
            arrays[f"probe/{name}/{generator}"] = scores
        if candidate.hindsight_scores is not None:
            arrays[f"hindsight/{name}"] = candidate.hindsight_scores
    if result.losses is not None:
        arrays["losses"] = result.losses
    return arrays


def to_member_arrays(result: TrialResult) -> dict[str, npt.NDArray[np.generic]]:
    """The scores of every single member; empty unless they were asked for."""
    return {
        f"{candidate.key.score_type}@{candidate.key.checkpoint}/{rows}": scores
        for candidate in result.candidates
        for rows, scores in candidate.member_scores.items()
    }


def with_members(result: TrialResult, arrays: Arrays) -> TrialResult:
    """The result with what `to_member_arrays` took from it."""
    return replace(result, candidates=tuple(_with_members(c, arrays) for c in result.candidates))


def _with_members(candidate: Candidate, arrays: Arrays) -> Candidate:
    prefix = f"{candidate.key.score_type}@{candidate.key.checkpoint}/"
    found = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return replace(
        candidate, member_scores={name: a.astype(np.float32, copy=False) for name, a in found.items()}
    )


def from_parts(document: TrialDocument, arrays: Arrays, *, kept_checkpoints: tuple[int, ...]) -> TrialResult:
    """The result without weights. KeyError when an array is missing."""
    return TrialResult(
        trial=document.trial,
        config=TrialConfig(detector=document.detector, params=document.params, origin=document.origin),
        seed=document.seed,
        state=document.state,
        reason=document.reason,
        candidates=tuple(_candidate(document, candidate, arrays) for candidate in document.candidates),
        phase_starts=document.phase_starts,
        losses=arrays["losses"].astype(np.float32, copy=False) if "losses" in arrays else None,
        kept_checkpoints=kept_checkpoints,
        n_features=document.n_features,
        n_members=document.n_members,
        n_parameters=document.n_parameters,
        seconds=document.seconds,
        peak_bytes=document.peak_bytes,
    )


def _candidate(trial: TrialDocument, document: CandidateDocument, arrays: Arrays) -> Candidate:
    name = f"{document.score_type}@{document.checkpoint}"
    probe = f"probe/{name}/"
    return Candidate(
        key=CandidateKey(trial=trial.trial, score_type=document.score_type, checkpoint=document.checkpoint),
        detector=trial.detector,
        panel_scores=arrays[f"panel/{name}"].astype(np.float32, copy=False),
        probe_scores={
            array_name.removeprefix(probe): scores.astype(np.float32, copy=False)
            for array_name, scores in arrays.items()
            if array_name.startswith(probe)
        },
        hindsight_scores=arrays[f"hindsight/{name}"].astype(np.float32, copy=False)
        if f"hindsight/{name}" in arrays
        else None,
        objective=document.objective,
        member_agreement=document.member_agreement,
        member_jaccard=document.member_jaccard,
        diagnostics=document.diagnostics,
    )
