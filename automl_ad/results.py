"""The records that travel between the steps: what a trial was, what it produced, what was selected.

Shapes: S members, N panel rows, P probe rows, K candidates, E epochs. Scores are higher = stranger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Value = bool | int | float | str
FloatArray = npt.NDArray[np.floating]
Arrays = Mapping[str, npt.NDArray[np.generic]]
Origin = Literal["baseline", "default", "sampled", "random"]
TrialState = Literal["completed", "stopped", "failed"]

PYOD_PREFIX = "pyod:"
"""Begins the name of a detector that PyOD brings: searched and compared, never exported."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialConfig:
    """One point of the search space, and whether it is a baseline, a published default, TPE's, or random."""

    detector: str
    params: Mapping[str, Value]
    origin: Origin


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class CandidateKey:
    """What is judged and ranked. `checkpoint` is the number of epochs trained; 0: closed-form."""

    trial: int
    score_type: str
    checkpoint: int

    def __str__(self) -> str:
        return f"{self.trial}/{self.score_type}@{self.checkpoint}"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Candidate:
    """One score type of one checkpoint of one trial, as seen on the panel."""

    key: CandidateKey
    detector: str
    panel_scores: npt.NDArray[np.float32]
    """[N], mean over the members left."""
    probe_scores: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    """Pseudo-anomaly generator -> [P]; empty in studies that made none."""
    hindsight_scores: npt.NDArray[np.float32] | None = None
    """[H], of rows that an evaluation with labels asked for; nothing that judges or selects reads them."""
    member_scores: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)
    """`panel` [S, N], `hindsight` [S, H] and `probe/GENERATOR` [S, P], member by member; empty unless an
    evaluation asked for them, and when the result was read back without them."""
    objective: float | None = None
    """What the sampler maximises: pool-free and scale-free."""
    member_agreement: float | None = None
    """Mean pairwise Spearman over members; None with fewer than two members, never 1."""
    member_jaccard: float | None = None
    """Mean pairwise Jaccard of the top 5 % over members; None with fewer than two."""
    diagnostics: Mapping[str, float] = field(default_factory=dict)
    """Facts of the checkpoint, such as `latent_variance` or `gamma_balance_start`, `gamma_balance_end`."""

    @property
    def is_exportable(self) -> bool:
        """Whether it may be shipped; PyOD's detectors are only compared with (DESIGN D8)."""
        return not self.detector.startswith(PYOD_PREFIX)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrialResult:
    """How one trial ended and everything later steps need of it."""

    trial: int
    config: TrialConfig
    seed: int
    state: TrialState
    reason: str = ""
    """Why it failed, stopped, or completed before its last epoch; empty for other completed trials."""
    candidates: tuple[Candidate, ...] = ()
    losses: npt.NDArray[np.float32] | None = None
    """[S, E], NaN from the epoch on in which a member was dropped; None for closed-form detectors."""
    phase_starts: tuple[int, ...] = (0,)
    """Epoch at which each training phase began: losses of different phases do not compare."""
    weights: Mapping[int, Arrays] = field(default_factory=dict)
    """Kept checkpoint -> the detector's arrays; empty when the result was read back without them."""
    kept_checkpoints: tuple[int, ...] = ()
    """Checkpoints whose weights the study folder still holds; filled when a result is read back from it."""
    n_features: int = 0
    n_members: int = 1
    """Members alive at the end: the leading axis of the kept weights."""
    n_parameters: int = 0
    seconds: float = 0.0
    peak_bytes: int = 0

    @property
    def objective(self) -> float | None:
        """The best finite objective over the candidates; None when there is none."""
        objectives = (c.objective for c in self.candidates if c.objective is not None)
        return max(filter(math.isfinite, objectives), default=None)


@dataclass(frozen=True, kw_only=True, slots=True)
class RankedCandidate:
    """One row of the leaderboard."""

    key: CandidateKey
    detector: str
    origin: Origin
    criteria: Mapping[str, float | None]
    """Criterion -> value; None where the criterion is absent for this candidate."""
    aggregate: float | None
    """The rank aggregate in [0, 1], higher = better; None when vetoed."""
    veto: str = ""
    """Why it may not be selected; empty when it may."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightedPart:
    """One candidate of the output and its weight; weights sum to 1."""

    key: CandidateKey
    weight: float


@dataclass(frozen=True, kw_only=True, slots=True)
class CriterionFinding:
    """What one criterion says of a ranking and of its best candidate, read in the criterion's direction."""

    criterion: str
    has_voted: bool
    is_proven: bool
    """Whether it was shown to choose better than chance on such training data; others support nobody."""
    n_candidates: int
    """Candidates with a figure."""
    correlation: float | None
    """Spearman's correlation with the aggregate over these; None for a constant and below three."""
    best_beats: float | None
    """Share of the other candidates that the best one beats, ties counting half; None where it is absent."""

    @property
    def agrees(self) -> bool | None:
        """Whether the best is in its better half, and the pool in a similar order; None: it cannot tell."""
        if self.best_beats is None or self.correlation is None:
            return None
        return self.best_beats >= 0.5 and self.correlation > 0


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineFinding:
    """How the best candidate and the output stand to one baseline row."""

    key: CandidateKey
    detector: str
    rank: int
    ahead: tuple[str, ...]
    """Criteria by which the best candidate is better; `behind` by which worse, `level` by which equal."""
    behind: tuple[str, ...]
    level: tuple[str, ...]
    absent: tuple[str, ...]
    """Criteria that say nothing about one of the two."""
    output_gains: Mapping[str, float] = field(default_factory=dict)
    """The output's `consensus_gain` and `probe_auc_gain` over the row, with `_low` and `_high` of 90 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """What was chosen and why. `ranking` is best first, vetoed candidates last, baseline rows included."""

    ranking: tuple[RankedCandidate, ...]
    best: CandidateKey | None
    """The single best candidate that may be exported."""
    output: tuple[WeightedPart, ...]
    """The default output: an ensemble with the anchors, or one candidate."""
    output_kind: Literal["ensemble", "vote", "single", "anchors"]
    is_distinguishable: bool
    """False: nothing beats the anchors' average by more than noise; `output_kind` is then "anchors"."""
    verdict: str
    """At most six sentences for a person."""
    confidence: Mapping[str, float] = field(default_factory=dict)
    criteria: tuple[CriterionFinding, ...] = ()
    baselines: tuple[BaselineFinding, ...] = ()
    """By rank, without the best candidate if it is one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Metrics:
    """Judgement of one column of scores with labels; made in `automl_ad.evaluation` only."""

    auroc: float
    average_precision: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """Metrics of the output and of every ranked candidate on the panel, made after selection."""

    output: Metrics
    candidates: Mapping[CandidateKey, Metrics]
    n_rows: int
    n_anomalies: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AnomalyScores:
    """What a scorer says of M rows, in the library, over gRPC and in files by the same names."""

    anomaly_score: npt.NDArray[np.float64]
    """[M], higher = stranger; comparable only within one version of one model."""
    percentile: npt.NDArray[np.float64]
    """[M], share of the panel in percent (0 to 100) that scores at most this high."""
    is_anomaly: npt.NDArray[np.bool_]
    """[M], whether the score lies above the threshold, or that of the row's group where it has its own."""
    threshold: float
    model: str
    version: str
    row_threshold: npt.NDArray[np.float64] | None = None
    """[M], what each row was held against; None where `threshold` was used for all."""

    def to_arrow(self) -> pa.Table:
        """Columns anomaly_score, percentile and is_anomaly, and row_threshold where rows had their own."""
        import pyarrow as pa

        columns = {name: getattr(self, name) for name in ("anomaly_score", "percentile", "is_anomaly")}
        if self.row_threshold is not None:
            columns["row_threshold"] = self.row_threshold
        return pa.table(columns)

    def to_pandas(self) -> pd.DataFrame:
        """The same columns as a frame."""
        return self.to_arrow().to_pandas()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Explanations:
    """What each of F features contributes to the scores of M rows; they and the reference add up to them."""

    features: tuple[str, ...]
    """[F], in the order of the contributions."""
    contributions: FloatArray
    """[M, F], in units of the score; negative: the feature makes the row less strange."""
    standard_errors: FloatArray
    """[M, F], 0 where the contribution was computed exactly."""
    anomaly_score: FloatArray
    """[M]"""
    reference_score: float
    """Score of the typical row against which all rows are explained."""
    model: str
    version: str
