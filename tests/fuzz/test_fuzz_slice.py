"""A small slice of each fuzz target; `python tests/fuzz/run.py` runs thousands of cases."""

from __future__ import annotations

import fuzz_artifacts
import fuzz_registry
import fuzz_wire
import pytest


@pytest.mark.parametrize(
    ("run", "n_cases"),
    [(fuzz_wire.run, 300), (fuzz_artifacts.run, 100), (fuzz_registry.run, 40)],
    ids=["wire", "artifacts", "registry"],
)
def test_nothing_is_found(run, n_cases):
    report = run(n_cases, 1)
    assert report.findings == []
    assert sum(report.counts.values()) >= n_cases
