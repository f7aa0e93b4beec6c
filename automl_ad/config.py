"""The settings of one search, validated once at construction and passed on explicitly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from automl_ad.errors import ConfigError

TrainingData = Literal["unknown", "clean"]
ExecutorName = Literal["local", "ray"]
Preset = Literal["fast", "balanced", "thorough"]
Combination = Literal["mean", "vote"]
ThresholdRule = Literal["alert-rate", "contamination", "pot", "ema"]
Aggregation = Literal["borda", "robust_borda", "kemeny"]
EarlyStopping = Literal["none", "entropy", "stability"]
Scheduler = Literal["none", "asha"]

DEFAULT_ALERT_RATE = 0.01
"""One row in a hundred: a number of alerts that a person can still look at."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """What to read, and which columns are not features."""

    sources: tuple[str, ...]
    label_column: str | None = None
    id_column: str | None = None
    group_column: str | None = None
    """Category of each row, for detectors that know groups."""
    drop: tuple[str, ...] = ()
    max_rows: int = 20_000
    """More rows than this are sampled. 20,000: neighbours and density estimates hardly change beyond it,
    and a default deep trial stays below half a minute on one core."""

    def __post_init__(self) -> None:
        require(bool(self.sources), "at least one data source must be given, got none")
        require(self.max_rows >= 20, f"--max-rows must be at least 20, got {self.max_rows}")


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionConfig:
    """How candidates are ranked and what is made of the best. No trial depends on it."""

    rank_by: tuple[str, ...] = ()
    """Criteria that vote, each `criterion` or `criterion=weight`; empty: the usual ones."""
    aggregate: Aggregation = "borda"
    n_parts: int = 5
    """SELECTION 3: the five best with the anchors did better than any single pick, in both regimes."""
    max_per_detector: int = 1
    """Score types and checkpoints of a detector rank side by side and would fill every place with the same
    opinion."""
    with_anchors: bool = True
    """Whether the two strongest anchors are parts of the output beside the best; one part without them is a
    single one."""

    def __post_init__(self) -> None:
        votes = [_vote(entry) for entry in self.rank_by]
        require(
            len(dict(votes)) == len(votes),
            f"--rank-by must name a criterion once, got {', '.join(self.rank_by)}",
        )
        require(
            self.aggregate in get_args(Aggregation),
            f"--aggregate must be one of {', '.join(get_args(Aggregation))}, got {self.aggregate!r}",
        )
        require(self.n_parts >= 1, f"--parts must be at least 1, got {self.n_parts}")
        require(
            self.max_per_detector >= 1, f"max_per_detector must be at least 1, got {self.max_per_detector}"
        )

    @property
    def votes(self) -> Mapping[str, float]:
        """Criterion -> weight, in the order of `rank_by`."""
        return dict(_vote(entry) for entry in self.rank_by)


def _vote(entry: str) -> tuple[str, float]:
    """The criterion and its weight, 1 unless given.

    >>> _vote("tail_shape=0.5"), _vote("consensus")
    (('tail_shape', 0.5), ('consensus', 1.0))
    """
    name, separator, weight = entry.partition("=")
    try:
        number = float(weight) if separator else 1.0
    except ValueError:
        number = math.nan
    require(
        bool(name) and 0 < number < math.inf,
        f"--rank-by must be CRITERION or CRITERION=WEIGHT with a positive weight, got {entry!r}",
        "write for example --rank-by anchor_agreement --rank-by tail_shape=0.5",
    )
    return name, number


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig:
    """How to search and how to judge. The study folder keeps it; `--resume` must agree with it."""

    preset: Preset = "balanced"
    max_trials: int = 40
    """Sampled and published-default trials; baseline rows come on top."""
    time_budget_s: float | None = None
    seed: int = 0
    training_data: TrainingData = "unknown"
    n_members: int | None = None
    """Networks of one configuration trained at once; None takes the preset's number."""
    panel_rows: int = 2_000
    contamination: float | None = None
    """Assumed share of anomalies: sets the threshold only, never the ranking."""
    alert_rate: float | None = None
    """Share of rows to flag, where no contamination is assumed; None: 1 %."""
    threshold: ThresholdRule | None = None
    """How panel scores and a rate become the threshold; None: by the contamination, else the alert rate."""
    combine: Combination = "mean"
    """How the parts of an output become one score: by their mean surprise, or by the votes of those that
    flag a row at the rate above; a majority of votes is then the threshold."""
    random_share: float = 0.25
    """Smallest share of the samples that is purely random, the control arm of the search."""
    early_stopping: EarlyStopping = "none"
    """How a deep trial ends itself: where its loss entropy no longer falls (contaminated data only), or when
    two checkpoints in a row leave the order of the panel as it was."""
    scheduler: Scheduler = "none"
    """Which deep trials are stopped because others of their detector had a better objective by then."""
    keep_bytes: int = 2_000_000_000
    detectors: tuple[str, ...] | None = None
    """Search only these; None means all of the preset."""
    selection: SelectionConfig = field(default_factory=SelectionConfig)

    def __post_init__(self) -> None:
        require(self.max_trials >= 1, f"--max-trials must be at least 1, got {self.max_trials}")
        require(
            self.time_budget_s is None or self.time_budget_s > 0,
            f"--time-budget must be positive, got {self.time_budget_s} s",
        )
        require(0 <= self.seed < 2**31, f"--seed must be in [0, 2147483648), got {self.seed}")
        require(
            self.n_members is None or 1 <= self.n_members <= 64,
            f"--members must be in [1, 64], got {self.n_members}",
        )
        require(self.panel_rows >= 20, f"--panel-rows must be at least 20, got {self.panel_rows}")
        require(
            self.contamination is None or 0 < self.contamination <= 0.5,
            f"--contamination must be in (0, 0.5], got {self.contamination}",
        )
        require(
            self.alert_rate is None or 0 < self.alert_rate < 1,
            f"--alert-rate must be in (0, 1), got {self.alert_rate}",
        )
        self._require_one_threshold()
        require(
            self.combine in get_args(Combination), f"--combine must be mean or vote, got {self.combine!r}"
        )
        require(
            self.early_stopping in get_args(EarlyStopping),
            f"--early-stopping must be none, entropy or stability, got {self.early_stopping!r}",
        )
        require(
            (self.early_stopping, self.training_data) != ("entropy", "clean"),
            "--early-stopping entropy must be used on contaminated data only, got --training-data clean",
            "take --early-stopping stability",
        )
        require(
            self.scheduler in get_args(Scheduler), f"--scheduler must be none or asha, got {self.scheduler!r}"
        )
        require(0 <= self.random_share <= 1, f"random_share must be in [0, 1], got {self.random_share}")
        require(self.keep_bytes > 0, f"--keep-bytes must be positive, got {self.keep_bytes}")

    def _require_one_threshold(self) -> None:
        require(
            self.threshold is None or self.threshold in get_args(ThresholdRule),
            f"--threshold must be alert-rate, contamination, pot or ema, got {self.threshold!r}",
        )
        require(
            self.contamination is None or self.alert_rate is None,
            f"--contamination must come without --alert-rate, got {self.contamination} and {self.alert_rate}",
            "leave out one of the two: each sets the share of rows to flag",
        )
        require(
            (self.contamination is not None) == (self.threshold_rule == "contamination"),
            f"--threshold contamination must come with --contamination, and no other rule, "
            f"got --threshold {self.threshold} and --contamination {self.contamination}",
            "give --contamination alone, or --alert-rate with the other rules",
        )
        require(
            self.combine == "mean" or self.threshold not in ("pot", "ema"),
            f"--combine vote must have the majority as threshold, got --threshold {self.threshold}",
            "leave out --threshold, or take --combine mean",
        )

    @property
    def threshold_rule(self) -> ThresholdRule:
        """The rule of the threshold."""
        default: ThresholdRule = "alert-rate" if self.contamination is None else "contamination"
        return self.threshold or default

    @property
    def flagged_share(self) -> float:
        """The share of rows to flag."""
        given = self.alert_rate if self.contamination is None else self.contamination
        return DEFAULT_ALERT_RATE if given is None else given


@dataclass(frozen=True, kw_only=True, slots=True)
class HindsightConfig:
    """What an evaluation with labels wants written down beside the trials; it cannot change the selection."""

    rows: DataConfig | None = None
    """Rows that every candidate scores on the side."""
    members: bool = False
    """Whether the scores of every single member are kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecutorConfig:
    """Where trials run. Not part of the study's identity: a study may be resumed elsewhere."""

    name: ExecutorName = "local"
    address: str | None = None
    """None starts a private Ray on this machine; `auto` or HOST:PORT joins a cluster."""
    max_concurrent: int | None = None
    cpus_per_trial: float = 1.0
    gpus_per_trial: float = 0.0

    def __post_init__(self) -> None:
        require(self.cpus_per_trial > 0, f"--cpus-per-trial must be positive, got {self.cpus_per_trial}")
        require(self.gpus_per_trial >= 0, f"--gpus-per-trial must not be negative, got {self.gpus_per_trial}")
        require(
            self.max_concurrent is None or self.max_concurrent >= 1,
            f"--max-concurrent must be at least 1, got {self.max_concurrent}",
        )


def require(holds: bool, rule: str, hint: str = "") -> None:
    """Raise ConfigError with the rule unless it holds."""
    if not holds:
        raise ConfigError(rule, hint)
