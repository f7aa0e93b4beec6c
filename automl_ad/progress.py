"""Where a search stands, told to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from automl_ad.results import TrialResult


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """One report. `best` names the leading trial by objective."""

    stage: str
    note: str = ""
    n_done: int = 0
    n_failed: int = 0
    n_total: int = 0
    best: str = ""


OnProgress = Callable[[Progress], None]


def ignore_progress(progress: Progress) -> None:
    """Tell nobody."""
    del progress


class ProgressLog:
    """Counts trials and keeps the best, and reports each change."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._tell = on_progress
        self._stage, self._note, self._n_total = "", "", 0
        self._results: list[TrialResult] = []

    def stage(
        self, name: str, note: str = "", *, n_total: int = 0, finished: Sequence[TrialResult] = ()
    ) -> None:
        """Enter a stage; `finished` are trials of it that an earlier run has left."""
        self._stage, self._note, self._n_total, self._results = name, note, n_total, list(finished)
        self._report()

    def result(self, result: TrialResult) -> None:
        """Count a trial."""
        self._results.append(result)
        self._report()

    def _report(self) -> None:
        best = max(self._results, key=_objective, default=None)
        is_judged = best is not None and best.objective is not None
        self._tell(
            Progress(
                stage=self._stage,
                note=self._note,
                n_done=len(self._results),
                n_failed=sum(result.state == "failed" for result in self._results),
                n_total=self._n_total,
                best=f"{best.config.detector} {best.objective:.3f}" if best and is_judged else "",
            )
        )


def _objective(result: TrialResult) -> float:
    return float("-inf") if result.objective is None else result.objective
