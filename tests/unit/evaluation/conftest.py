"""Outcomes of a benchmark, made from a few AUROCs."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from automl_ad.evaluation.bench.grouping import RegimeTable, regime_table
from automl_ad.evaluation.bench.records import DatasetOutcome
from automl_ad.results import Metrics

MakeOutcome = Callable[..., DatasetOutcome]
MakeTable = Callable[..., RegimeTable]


@pytest.fixture
def make_outcome() -> MakeOutcome:
    def make(
        dataset: str,
        aurocs: Mapping[str, float],
        *,
        regime: str = "natural",
        seed: int = 0,
        family: str | None = None,
        criteria: Mapping[str, float] | None = None,
        notes: Mapping[str, str] | None = None,
    ) -> DatasetOutcome:
        return DatasetOutcome(
            dataset=dataset,
            family=family or dataset,
            regime=regime,
            seed=seed,
            n_rows=100,
            n_anomalies=5,
            n_trials=40,
            seconds=1.5,
            rows={name: Metrics(auroc=v, average_precision=v / 2) for name, v in aurocs.items()},
            criteria=criteria or {},
            notes=notes or {},
        )

    return make


@pytest.fixture
def make_table(make_outcome: MakeOutcome) -> MakeTable:
    """A table with one dataset per AUROC of each row."""

    def make(regime: str = "natural", **aurocs: Sequence[float]) -> RegimeTable:
        names = [name.replace("_", " ") for name in aurocs]
        columns = zip(*aurocs.values(), strict=True)
        outcomes = [
            make_outcome(f"t{i}", dict(zip(names, column, strict=True)), regime=regime)
            for i, column in enumerate(columns)
        ]
        return regime_table(regime, outcomes)

    return make
