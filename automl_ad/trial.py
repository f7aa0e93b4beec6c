"""One trial: fit a configuration, read every score of every checkpoint on the panel, keep the best weights.

`run_trial` is a pure function of its arguments: it knows neither Ray nor Optuna, nor any path.
Shapes: S members, N panel rows, P probe rows, D encoded features.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch

from automl_ad.criteria import agreement_of_members, anchor_agreement_of, probe_auc_of
from automl_ad.data import Scaler
from automl_ad.detectors import Detector, find_detector, member_mean
from automl_ad.errors import TrialFailed
from automl_ad.results import Arrays, Candidate, CandidateKey, TrialConfig, TrialResult
from automl_ad.training import checkpoint_epochs, fit, n_epochs, phase_starts

Report = Callable[[int, float | None], bool]
"""(epochs trained, best objective so far) -> True asks the trial to stop."""

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
    """Pseudo-anomaly generator -> encoded rows [P, D]; empty unless training data are clean."""
    groups_N: npt.NDArray[np.int64] | None = None
    """Group of each fitted row, 0 to K - 1; None without a group column."""


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
    log = _CheckpointLog(detector, unfinished, data, scaler, report)
    fitted = fit(
        detector,
        scaler(data.rows_ND),
        seed=unfinished.seed,
        checkpoints=checkpoint_epochs(n_planned),
        on_checkpoint=log,
        device=device,
        groups_N=data.groups_N,
    )
    last = log.epochs[-1]
    # A checkpoint before a member died was averaged over that member: only what came after it stands.
    valid = [epoch for epoch in log.epochs if log.n_members[epoch] == detector.n_members]
    return replace(
        unfinished,
        state="completed" if last == n_planned else "stopped",
        reason="" if last == n_planned else f"stopped after epoch {last} of {n_planned}",
        candidates=tuple(c for c in log.candidates if c.key.checkpoint in valid),
        losses=fitted.losses_SE,
        phase_starts=phase_starts(detector, n_rows),
        weights={epoch: arrays for epoch, arrays in log.weights.items() if epoch in valid},
        n_features=detector.n_features,
        n_members=detector.n_members,
        n_parameters=detector.n_parameters,
    )


class _CheckpointLog:
    """Called by the training loop at every checkpoint: scores the panel, keeps the weights worth keeping."""

    def __init__(
        self, detector: Detector, trial: TrialResult, data: TrialData, scaler: Scaler, report: Report
    ) -> None:
        self._detector = detector
        self._trial = trial
        self._data = data
        self._panel_ND = scaler(data.panel_ND)
        self._probes = {name: scaler(rows_PD) for name, rows_PD in data.probes.items()}
        self._report = report
        self.candidates: list[Candidate] = []
        self.weights: dict[int, Arrays] = {}
        self.epochs: list[int] = []
        self.n_members: dict[int, int] = {}

    def __call__(self, epoch: int) -> bool:
        """Record the checkpoint; True when the trial shall stop."""
        self.candidates += self._judge(epoch)
        self.epochs.append(epoch)
        self.n_members[epoch] = self._detector.n_members
        if arrays := self._detector.arrays():
            self.weights[epoch] = arrays
        kept = set(_worth_keeping(self.candidates)) | {epoch}
        self.weights = {e: arrays for e, arrays in self.weights.items() if e in kept}
        return self._report(epoch, _best_objective(self.candidates))

    def _judge(self, epoch: int) -> list[Candidate]:
        panel = self._detector.scores(self._panel_ND)
        probes = {name: self._detector.scores(rows_PD) for name, rows_PD in self._probes.items()}
        diagnostics = self._detector.diagnostics()
        return [
            self._candidate(score_type, epoch, scores_SN, probes, diagnostics)
            for score_type, scores_SN in panel.items()
        ]

    def _candidate(
        self,
        score_type: str,
        epoch: int,
        scores_SN: npt.NDArray[np.float64],
        probes: Mapping[str, Mapping[str, npt.NDArray[np.float64]]],
        diagnostics: Mapping[str, float],
    ) -> Candidate:
        panel_scores = member_mean(scores_SN)
        probe_scores = {name: member_mean(scores[score_type]) for name, scores in probes.items()}
        spearman, jaccard = agreement_of_members(scores_SN)
        return Candidate(
            key=CandidateKey(trial=self._trial.trial, score_type=score_type, checkpoint=epoch),
            detector=self._trial.config.detector,
            panel_scores=panel_scores,
            probe_scores=probe_scores,
            objective=self._objective(panel_scores, probe_scores),
            member_agreement=spearman,
            member_jaccard=jaccard,
            diagnostics=diagnostics,
        )

    def _objective(
        self, panel_scores: npt.NDArray[np.float32], probe_scores: Mapping[str, npt.NDArray[np.float32]]
    ) -> float | None:
        if probe_scores:
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
