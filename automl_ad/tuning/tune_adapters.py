"""What Ray Tune calls: a searcher, a stopper and a callback, each a thin door to the search."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, cast

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from automl_ad.results import TrialConfig
from automl_ad.tuning.ray_search import RaySearch
from automl_ad.tuning.worker import BUG


class _Adapter:
    """What Tune copies and pickles for its snapshots, which nobody reads: the search stays where it is."""

    search: RaySearch

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {}


class Suggestions(_Adapter, Searcher):
    """Hands our trials to Tune, never more than run at once, so that the sampler knows all it can."""

    def __init__(self, search: RaySearch, n_slots: int) -> None:
        super().__init__()
        self.search = search
        self._n_slots = n_slots
        self._live: dict[str, int] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next trial; None while all slots are busy; FINISHED when there shall be no more."""
        if len(self._live) >= self._n_slots:
            return None
        asked = None
        with self.search.error_kept():
            asked = self.search.ask()
        if asked is None:
            return cast("dict[str, Any]", Searcher.FINISHED)
        number, config = asked
        self._live[trial_id] = number
        return {"number": number, "trial": asdict(config)}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Take a worker's word that its trial is recorded; lost trials come to `Losses`."""
        number = self._live.pop(trial_id)
        if result is not None and not error:
            with self.search.error_kept():
                self.search.finish(number, result[BUG])

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing: a resumed study asks Optuna again."""


class Stop(_Adapter, tune.Stopper):
    """Asked by Tune in every round of its loop."""

    def __init__(self, search: RaySearch) -> None:
        self.search = search

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether one trial shall end: they end by themselves."""
        del trial_id, result
        return False

    def stop_all(self) -> bool:
        """Whether every trial shall end now."""
        return self.search.is_over()


class Losses(_Adapter, tune.Callback):
    """Told by Tune when a trial has lost too many workers."""

    def __init__(self, search: RaySearch) -> None:
        self.search = search

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Record the trial as failed."""
        del iteration, trials, info
        config = TrialConfig(**trial.config["trial"])
        with self.search.error_kept():
            self.search.give_up(trial.config["number"], config, _last_line(trial.error_file))


def _last_line(path: str | None) -> str:
    lines = Path(path).read_text().strip().splitlines() if path else []
    return lines[-1] if lines else "no message"
