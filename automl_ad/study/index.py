"""The Optuna study beside a study folder: what samplers learn from and dashboards show.

It is written through Optuna's storage interface, not through `optuna.Study`: a trial then enters with all its
parameters in one record, and a process killed at any moment leaves no half-described trial.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import cast

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from automl_ad.results import Candidate, Origin, TrialConfig, TrialResult, Value
from automl_ad.space import SearchSpace
from automl_ad.study.distributions import distributions_of, qualified, unqualified
from automl_ad.study.storage import IndexStorage

Attribute = Value | None | Mapping[str, float | None]


INTERRUPTED = "interrupted; its config runs again"


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedTrial:
    """One trial as the index knows it."""

    number: int
    config: TrialConfig
    frozen: FrozenTrial
    """Optuna's own record of it."""

    @property
    def is_unfinished(self) -> bool:
        """Whether it is running or waits to be run."""
        return not self.frozen.state.is_finished()

    @property
    def is_running(self) -> bool:
        """Whether a process has begun it and not finished it."""
        return self.frozen.state == TrialState.RUNNING

    @property
    def was_interrupted(self) -> bool:
        """Whether its process was lost, and its config was enqueued again."""
        return self.frozen.user_attrs.get("reason") == INTERRUPTED

    @property
    def objective(self) -> float:
        """Its best objective; -inf when it has none."""
        objective = self.frozen.user_attrs.get("objective")
        return -math.inf if objective is None else float(objective)

    @property
    def has_candidates(self) -> bool:
        """Whether it reached a checkpoint before it ended."""
        return "checkpoint" in self.frozen.user_attrs


class TrialIndex:
    """The trials of one Optuna study. Trial numbers are its numbers."""

    def __init__(self, storage: IndexStorage, name: str, space: SearchSpace) -> None:
        """Open the Optuna study of that name, or make it."""
        # Optuna announces every trial on stderr, which belongs to our own progress line.
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = storage.storage
        self._batch = storage.batch
        self._space = space
        self._id = _study_id(self._storage, name)

    @property
    def n_trials(self) -> int:
        """How many trials there are; the number of the next one."""
        return self._storage.get_n_trials(self._id)

    def trials(self) -> list[IndexedTrial]:
        """All trials by number, gaps left out (see `add_gap`)."""
        # Optuna's copy costs 0.5 ms a trial; nobody here changes what is read.
        frozen_trials = self._storage.get_all_trials(self._id, deepcopy=False)
        return [_indexed(frozen) for frozen in frozen_trials if _is_ours(frozen)]

    def begin(self, config: TrialConfig) -> int:
        """The number of a new running trial."""
        return self._create(self._described(config, TrialState.RUNNING))

    def enqueue(self, config: TrialConfig) -> int:
        """The number of a new trial that waits to be claimed."""
        return self._create(self._described(config, TrialState.WAITING))

    def claim(self, origins: Collection[Origin]) -> tuple[int, TrialConfig] | None:
        """The first waiting trial of these origins, now running."""
        for trial in self.trials():
            is_waiting = trial.is_unfinished and not trial.is_running
            if is_waiting and trial.config.origin in origins:
                self._storage.set_trial_state_values(self._trial_id(trial.number), TrialState.RUNNING)
                return trial.number, trial.config
        return None

    def tell(self, result: TrialResult, attributes: Mapping[str, Attribute] | None = None) -> None:
        """Finish a trial: completed -> COMPLETE, stopped -> PRUNED, failed -> FAIL.

        Optuna demands an objective of a COMPLETE trial, so a completed one without it is PRUNED.
        """
        trial_id = self._trial_id(result.trial)
        with self._batch():
            for name, value in {**_attributes(result), **(attributes or {})}.items():
                self._storage.set_trial_user_attr(trial_id, name, value)
            for step, value in _intermediate_values(result).items():
                self._storage.set_trial_intermediate_value(trial_id, step, value)
            values = None if result.objective is None else [result.objective]
            self._storage.set_trial_state_values(trial_id, _state(result), values)

    def interrupt(self, trial: IndexedTrial) -> None:
        """Fail a trial whose process was lost, and enqueue its config again."""
        trial_id = self._trial_id(trial.number)
        self._storage.set_trial_user_attr(trial_id, "reason", INTERRUPTED)
        self._storage.set_trial_state_values(trial_id, TrialState.FAIL)
        self.enqueue(trial.config)

    def add(self, result: TrialResult) -> None:
        """Add a finished trial that the index has lost; its number must be the next one."""
        assert result.trial == self.n_trials
        self.begin(result.config)
        self.tell(result)

    def add_gap(self) -> None:
        """Use up a number whose trial left no result, so that later numbers agree with the folder."""
        self._create(create_trial(state=TrialState.FAIL, user_attrs={"reason": "lost with an earlier index"}))

    def annotate(self, name: str, value: Attribute) -> None:
        """Attach a readable fact to the whole study, such as the selected candidate."""
        self._storage.set_study_user_attr(self._id, name, value)

    def close(self) -> None:
        """Let go of the storage."""
        self._storage.remove_session()

    def _described(self, config: TrialConfig, state: TrialState) -> FrozenTrial:
        return create_trial(
            state=state,
            params=dict(qualified(config)),
            distributions=distributions_of(config, self._space),
            user_attrs={"detector": config.detector, "origin": config.origin},
        )

    def _create(self, template: FrozenTrial) -> int:
        trial_id = self._storage.create_new_trial(self._id, template)
        return self._storage.get_trial_number_from_id(trial_id)

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._id, number)


def _study_id(storage: BaseStorage, name: str) -> int:
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        return storage.create_new_study([StudyDirection.MAXIMIZE], name)


def _is_ours(frozen: FrozenTrial) -> bool:
    return "detector" in frozen.user_attrs


def _indexed(frozen: FrozenTrial) -> IndexedTrial:
    config = TrialConfig(
        detector=frozen.user_attrs["detector"],
        params=unqualified(frozen.params),
        origin=cast(Origin, frozen.user_attrs["origin"]),
    )
    return IndexedTrial(number=frozen.number, config=config, frozen=frozen)


def _state(result: TrialResult) -> TrialState:
    if result.state == "failed":
        return TrialState.FAIL
    if result.state == "stopped" or result.objective is None:
        return TrialState.PRUNED
    return TrialState.COMPLETE


def _attributes(result: TrialResult) -> dict[str, Attribute]:
    """What people read beside a trial; the best candidate's score type and checkpoint among it."""
    attributes: dict[str, Attribute] = {
        "state": result.state,
        "objective": result.objective,
        "seed": result.seed,
        "seconds": round(result.seconds, 3),
    }
    if result.reason:
        attributes["reason"] = result.reason
    if result.candidates:
        best = max(result.candidates, key=_rank)
        attributes |= {"score_type": best.key.score_type, "checkpoint": best.key.checkpoint}
    return attributes


def _rank(candidate: Candidate) -> float:
    objective = _finite(candidate.objective)
    return -math.inf if objective is None else objective


def _intermediate_values(result: TrialResult) -> dict[int, float]:
    """Checkpoint -> best objective so far among its score types."""
    values: dict[int, float] = {}
    for candidate in result.candidates:
        objective = _finite(candidate.objective)
        if objective is not None:
            step = candidate.key.checkpoint
            values[step] = max(objective, values.get(step, objective))
    return values


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
