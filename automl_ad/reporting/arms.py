"""The arms of a search: what published defaults, TPE and the random control arm reached.

At least a quarter of the samples is random: without them nobody could tell whether the sampler earns its
keep.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from automl_ad.results import Origin, TrialResult

ARMS: tuple[Origin, ...] = ("default", "sampled", "random")
LABELS: Mapping[Origin, str] = {"default": "published defaults", "sampled": "TPE", "random": "random"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """The trials of one origin that have an objective."""

    n_trials: int
    mean: float | None
    """Of the objective; None without trials."""
    best: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Arms:
    """All arms, and TPE against random where the comparison is fair."""

    by_origin: Mapping[Origin, Arm]
    gain: float | None
    """Mean objective of TPE's configs less that of random ones, averaged over the detectors that have both:
    TPE begins later, and in detectors that work. None when there is no such detector."""
    gain_error: float | None
    """Standard error of `gain` over those detectors; None with fewer than two."""
    n_compared: int
    """Those detectors."""


def arms(results: Sequence[TrialResult]) -> Arms:
    """The arms of a study, baselines left out. Objectives are scale-free and know no labels."""
    by_origin = {origin: _arm(_objectives(results, origin)) for origin in ARMS}
    differences = list(_differences(results))
    n_compared = len(differences)
    return Arms(
        by_origin=by_origin,
        gain=statistics.fmean(differences) if differences else None,
        gain_error=statistics.stdev(differences) / math.sqrt(n_compared) if n_compared > 1 else None,
        n_compared=n_compared,
    )


def arms_sentence(compared: Arms) -> str:
    """One line for people, which says so when the random arm is as good."""
    parts = "; ".join(_phrase(LABELS[origin], arm) for origin, arm in compared.by_origin.items())
    return f"objective by arm: {parts}. {_comparison(compared)}"


def _arm(objectives: Sequence[float]) -> Arm:
    if not objectives:
        return Arm(n_trials=0, mean=None, best=None)
    return Arm(n_trials=len(objectives), mean=statistics.fmean(objectives), best=max(objectives))


def _objectives(results: Iterable[TrialResult], origin: Origin) -> list[float]:
    return [r.objective for r in results if r.config.origin == origin and r.objective is not None]


def _differences(results: Sequence[TrialResult]) -> Iterable[float]:
    """TPE's mean less random's, of each detector that has both."""
    for detector in dict.fromkeys(result.config.detector for result in results):
        own = [result for result in results if result.config.detector == detector]
        sampled, random = _arm(_objectives(own, "sampled")).mean, _arm(_objectives(own, "random")).mean
        if sampled is not None and random is not None:
            yield sampled - random


def _phrase(label: str, arm: Arm) -> str:
    if arm.mean is None or arm.best is None:
        return f"{label} no trial"
    return f"{label} mean {arm.mean:.3f}, best {arm.best:.3f} of {arm.n_trials}"


def _comparison(compared: Arms) -> str:
    if compared.by_origin["sampled"].n_trials == 0:
        return "TPE proposed nothing: no detector has enough completed trials to model"
    if compared.gain is None:
        return "TPE and random sampling share no detector: nothing can be said of the sampler"
    if compared.gain_error is None:
        return f"TPE and random sampling share one detector, too few to tell: {compared.gain:+.3f}"
    figures = f"{compared.gain:+.3f} +- {compared.gain_error:.3f} in {compared.n_compared} detectors"
    if compared.gain <= compared.gain_error:
        return f"Random configs are as good as TPE's: {figures}"
    return f"TPE is ahead of random configs: {figures}"
