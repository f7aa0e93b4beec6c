"""One trial: fit a configuration, read every score of every checkpoint on the panel, keep the best weights.

`run_trial` is a pure function of its arguments: it knows neither Ray nor Optuna, nor any path.
Shapes: S members, N panel rows, P probe rows, D encoded features.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

from automl_ad.config import EarlyStopping
from automl_ad.criteria import agreement_of_members, anchor_agreement_of, probe_auc_of
from automl_ad.criteria.ranks import spearman
from automl_ad.data import Scaler
from automl_ad.detectors import Detector, find_detector, member_mean
from automl_ad.errors import TrialFailed
from automl_ad.results import Arrays, Candidate, CandidateKey, TrialConfig, TrialResult
from automl_ad.training import StabilityStop, checkpoint_epochs, fit, half_fits, n_epochs, phase_starts

Report = Callable[[float, float | None], bool]
"""(share of the planned epochs trained, best objective so far) -> True asks the trial to stop."""

Objective = Literal["anchor_agreement", "probe_auc"]
"""What the sampler maximises: with training data `unknown` the first, with `clean` the second."""

N_BEST_KEPT = 2


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrialData:
    """What every trial of a study sees: plain arrays, shipped to a worker once."""

    rows_ND: npt.NDArray[np.float64]
    """The rows detectors are fitted on, encoded and not yet scaled."""
    panel_ND: npt.NDArray[np.float64]
    """The rows every candidate scores: fitted rows, or held-out rows when training data are clean."""
    scalers: Mapping[str, Scaler]
    anchors: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """Baseline detector -> its panel scores [N]; empty while the baselines themselves run."""
    probes: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    """Pseudo-anomaly generator -> encoded rows [P, D]."""
    objective: Objective = "anchor_agreement"
    groups_N: npt.NDArray[np.int64] | None = None
    """Group of each fitted row, 0 to K - 1; None without a group column."""
    hindsight_HD: npt.NDArray[np.float64] | None = None
    """Encoded rows that every candidate scores on the side, for an evaluation with labels."""
    keeps_members: bool = False
    """Whether the scores of every single member are kept, which only an evaluation needs."""
    early_stopping: EarlyStopping = "none"
    """The rule by which a deep trial ends itself."""
    rungs: tuple[float, ...] = ()
    """Shares of the planned epochs at which a scheduler compares trials: each gets a checkpoint."""


def run_trial(
    config: TrialConfig,
    data: TrialData,
    *,
    number: int,
    seed: int,
    n_members: int,
    report: Report,
    device: str = "cpu",
) -> TrialResult:
    """The outcome of one configuration.

    TrialFailed and a lack of memory become state `failed`; any other exception is a bug of ours.
    """
    started = time.perf_counter()
    unfinished = TrialResult(trial=number, config=config, seed=seed, state="failed")
    try:
        result = _run(unfinished, data, n_members, report, device)
    except TrialFailed as failure:
        result = replace(unfinished, reason=str(failure))
    except (MemoryError, torch.OutOfMemoryError) as shortage:
        # This configuration is too large for this machine: a smaller one may do.
        result = replace(unfinished, reason=f"out of memory: {shortage}")
    return replace(result, seconds=time.perf_counter() - started, peak_bytes=_peak_bytes())


def _run(
    unfinished: TrialResult, data: TrialData, n_members: int, report: Report, device: str
) -> TrialResult:
    config, n_rows = unfinished.config, len(data.rows_ND)
    scaler = data.scalers[str(config.params["prep"])]
    detector_type = find_detector(config.detector)
    limit = detector_type.max_members_on_cpu if device == "cpu" else None
    detector = detector_type.build(
        config.params,
        n_features=data.rows_ND.shape[1],
        n_members=n_members if limit is None else min(n_members, limit),
        seed=unfinished.seed,
    )
    n_planned = n_epochs(detector, n_rows)
    log = _CheckpointLog(detector, unfinished, data, scaler, report, n_planned)
    fitted = fit(
        detector,
        scaler(data.rows_ND),
        seed=unfinished.seed,
        checkpoints=checkpoint_epochs(n_planned, data.rungs),
        on_checkpoint=log,
        device=device,
        groups_N=data.groups_N,
        watch_entropy=data.early_stopping == "entropy",
    )
    stability = _split_half_stability(detector, data, scaler, unfinished)
    last, early_stop = max(log.epochs), fitted.early_stop or log.early_stop
    is_complete = last == n_planned or bool(early_stop)
    # A checkpoint before a member died was averaged over that member: only what came after it stands.
    valid = [epoch for epoch in log.epochs if log.n_members[epoch] == detector.n_members]
    return replace(
        unfinished,
        state="completed" if is_complete else "stopped",
        reason=early_stop if is_complete else f"stopped after epoch {last} of {n_planned}",
        candidates=tuple(
            replace(c, diagnostics={**c.diagnostics, **stability.get(c.key.score_type, {})})
            for c in sorted(log.candidates, key=lambda candidate: candidate.key.checkpoint)
            if c.key.checkpoint in valid
        ),
        losses=fitted.losses_SE,
        phase_starts=phase_starts(detector, n_rows),
        weights={epoch: arrays for epoch, arrays in log.weights.items() if epoch in valid},
        n_features=detector.n_features,
        n_members=detector.n_members,
        n_parameters=detector.n_parameters,
    )


def _split_half_stability(
    detector: Detector, data: TrialData, scaler: Scaler, trial: TrialResult
) -> dict[str, dict[str, float]]:
    """Score type -> its diagnostic `subsample_stability`; empty for deep detectors, whose members tell it."""
    fits = half_fits(
        detector, trial.config.params, scaler(data.rows_ND), scaler(data.panel_ND), seed=trial.seed
    )
    if fits is None:
        return {}
    first, second = fits
    figures = {name: spearman(first[name], second[name]) for name in first}
    return {name: {"subsample_stability": rho} for name, rho in figures.items() if np.isfinite(rho)}


class _CheckpointLog:
    """Called by the training loop at every checkpoint: scores the panel, keeps the weights worth keeping."""

    def __init__(
        self,
        detector: Detector,
        trial: TrialResult,
        data: TrialData,
        scaler: Scaler,
        report: Report,
        n_planned: int,
    ) -> None:
        self._detector = detector
        self._trial = trial
        self._data = data
        self._panel_ND = scaler(data.panel_ND)
        self._asides = {f"probe/{name}": scaler(rows_PD) for name, rows_PD in data.probes.items()}
        if data.hindsight_HD is not None:
            self._asides["hindsight"] = scaler(data.hindsight_HD)
        self._report = report
        self._n_planned = n_planned
        self._stability = StabilityStop() if data.early_stopping == "stability" else None
        self._native_before: npt.NDArray[np.float32] | None = None
        self.early_stop = ""
        self.candidates: list[Candidate] = []
        self.weights: dict[int, Arrays] = {}
        self.epochs: list[int] = []
        self.n_members: dict[int, int] = {}

    def __call__(self, epoch: int) -> bool:
        """Record the checkpoint, in place of an earlier record; True when the trial shall stop."""
        judged = self._judge(epoch)
        self.candidates = [c for c in self.candidates if c.key.checkpoint != epoch] + judged
        self.epochs.append(epoch)
        self.n_members[epoch] = self._detector.n_members
        if arrays := self._detector.arrays():
            self.weights[epoch] = arrays
        kept = set(_worth_keeping(self.candidates)) | {epoch}
        self.weights = {e: arrays for e, arrays in self.weights.items() if e in kept}
        share = epoch / self._n_planned if self._n_planned else 1.0
        is_asked = self._report(share, _best_objective(self.candidates))
        return is_asked or self._is_stable(epoch, judged[0].panel_scores)

    def _is_stable(self, epoch: int, native_N: npt.NDArray[np.float32]) -> bool:
        if self._stability is None or epoch == self._n_planned:
            return False
        if self._native_before is not None:
            self.early_stop = self._stability.update(spearman(self._native_before, native_N)).reason
        self._native_before = native_N
        return bool(self.early_stop)

    def _judge(self, epoch: int) -> list[Candidate]:
        asides = {name: self._detector.scores(rows_PD) for name, rows_PD in self._asides.items()}
        diagnostics = self._detector.diagnostics()
        return [
            self._candidate(
                CandidateKey(trial=self._trial.trial, score_type=score_type, checkpoint=epoch),
                scores_SN,
                {name: scores[score_type] for name, scores in asides.items()},
                diagnostics,
            )
            for score_type, scores_SN in self._detector.scores(self._panel_ND).items()
        ]

    def _candidate(
        self,
        key: CandidateKey,
        panel_SN: npt.NDArray[np.float64],
        asides: Mapping[str, npt.NDArray[np.float64]],
        diagnostics: Mapping[str, float],
    ) -> Candidate:
        panel_scores = member_mean(panel_SN)
        means = {name: member_mean(scores_SP) for name, scores_SP in asides.items()}
        probe_scores = {name.removeprefix("probe/"): means[name] for name in means if name != "hindsight"}
        spearman_of_members, jaccard = agreement_of_members(panel_SN)
        by_member = {"panel": panel_SN, **asides} if self._data.keeps_members else {}
        return Candidate(
            key=key,
            detector=self._trial.config.detector,
            panel_scores=panel_scores,
            probe_scores=probe_scores,
            hindsight_scores=means.get("hindsight"),
            member_scores={name: scores.astype(np.float32) for name, scores in by_member.items()},
            objective=self._objective(panel_scores, probe_scores),
            member_agreement=spearman_of_members,
            member_jaccard=jaccard,
            diagnostics=diagnostics,
        )

    def _objective(
        self, panel_scores: npt.NDArray[np.float32], probe_scores: Mapping[str, npt.NDArray[np.float32]]
    ) -> float | None:
        if self._data.objective == "probe_auc":
            value = probe_auc_of(panel_scores, probe_scores)
        else:
            value = anchor_agreement_of(panel_scores, self._trial.config.detector, self._data.anchors)
        return value if np.isfinite(value) else None


def _worth_keeping(candidates: Sequence[Candidate]) -> list[int]:
    """The checkpoints of the best candidates by objective."""
    judged = [c for c in candidates if c.objective is not None]
    judged.sort(key=lambda c: c.objective or 0.0, reverse=True)
    return list(dict.fromkeys(c.key.checkpoint for c in judged))[:N_BEST_KEPT]


def _best_objective(candidates: Sequence[Candidate]) -> float | None:
    return max((c.objective for c in candidates if c.objective is not None), default=None)


def _peak_bytes() -> int:
    """Largest resident size of this process so far; Linux reports it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
