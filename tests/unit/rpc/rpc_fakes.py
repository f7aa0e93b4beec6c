"""Stand-ins for a loaded artifact, so that the wire is tested without a detector."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from automl_ad.artifact import Threshold
from automl_ad.data import Feature, FeatureKind, Schema
from automl_ad.errors import RowsError
from automl_ad.results import AnomalyScores


def feature(name: str, kind: FeatureKind, *, is_nullable: bool = True) -> Feature:
    return Feature(name=name, kind=kind, arrow_type="", is_nullable=is_nullable, policy="")


class FakeScorer:
    """Keeps what it was asked; a row's score is its first value, and `explode` makes it fail like a bug."""

    version = "v1"
    threshold = 2.5

    def __init__(self, name: str, *features: Feature, group_column: str = "") -> None:
        self.name = name
        own = {group_column: {"fr": 1.0}} if group_column else None
        self.manifest = SimpleNamespace(
            threshold=Threshold(value=self.threshold, rule="fixed", per_group=own)
        )
        self.n_encoded = len(features)
        self.schema = Schema(kind="tabular", features=features)
        self.rows = None
        self.explode = False
        self.threads: set[str] = set()
        self.may_finish = threading.Event()
        self.may_finish.set()

    @property
    def encoded_places(self) -> tuple[slice, ...]:
        return tuple(slice(place, place + 1) for place in range(self.n_encoded))

    def encode(self, rows: np.ndarray | pa.Table) -> np.ndarray:
        if isinstance(rows, np.ndarray):
            return rows.astype(np.float64)
        self.score(rows)
        encoded = np.zeros((len(rows), self.n_encoded))
        encoded[:, 0] = rows.column(0).to_numpy()
        return encoded

    def score_encoded(self, encoded: np.ndarray) -> np.ndarray:
        return self.score(encoded).anomaly_score

    def sample_encoded(self, n: int, *, seed: int) -> np.ndarray:
        return np.random.default_rng(seed).uniform(size=(n, self.n_encoded))

    def score(self, rows: np.ndarray | pa.Table) -> AnomalyScores:
        self.rows = rows
        self.threads.add(threading.current_thread().name)
        self.may_finish.wait(20)
        if self.explode:
            raise ZeroDivisionError("secret-path-/srv/model")
        first = rows[:, 0] if isinstance(rows, np.ndarray) else rows.column(0).to_numpy()
        scores = np.asarray(first, dtype=np.float64)
        if np.isinf(scores).any():
            raise RowsError("column 'a' must be finite, got inf in row 0")
        return AnomalyScores(
            anomaly_score=scores,
            percentile=np.clip(scores * 10, 0, 100),
            is_anomaly=scores > self.threshold,
            threshold=self.threshold,
            model=self.name,
            version=self.version,
        )


def numeric_scorer(name: str = "numeric") -> FakeScorer:
    return FakeScorer(name, *(feature(letter, "numeric") for letter in "abc"))


def mixed_scorer() -> FakeScorer:
    return FakeScorer(
        "mixed",
        feature("amount", "numeric"),
        feature("is_vip", "boolean", is_nullable=False),
        feature("country", "categorical"),
        feature("seen_at", "timestamp"),
    )
