"""No deep detector collapses at its defaults: slow, run by `pytest -m slow tests/contracts`."""

from __future__ import annotations

from pathlib import Path

import pytest

from automl_ad.config import DataConfig, SearchConfig
from automl_ad.criteria import veto
from automl_ad.data import read_table
from automl_ad.detectors import DETECTORS, DeepDetector
from automl_ad.preparation import prepare
from automl_ad.space import load_space
from automl_ad.trial import run_trial

TABLES = (
    *("annthyroid", "arrhythmia", "breastw", "cardio", "ionosphere", "letter", "mammography", "mnist_100d"),
    *("musk", "pendigits", "pima", "satellite", "shuttle", "thyroid", "vowels"),
)
DEEP = tuple(
    name
    for name, kind in DETECTORS.items()
    if issubclass(kind, DeepDetector) and name not in ("pixelcnn", "anogan")
)
"""PixelCNN reads images only; AnoGAN takes minutes per table."""


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("detector", DEEP)
def test_the_native_score_of_the_defaults_is_not_vetoed(detector: str, table: str, public_data: Path) -> None:
    source = str(public_data / "tabular" / f"{table}.parquet")
    rows = read_table(DataConfig(sources=(source,), label_column="label", max_rows=2_000), seed=0)
    prepared = prepare(rows, SearchConfig())
    space = load_space("balanced", data_kind="tabular", only=(detector,))
    (config,) = space.published_defaults()
    result = run_trial(config, prepared.data, number=0, seed=0, n_members=1, report=lambda *_: False)
    assert result.state == "completed", result.reason
    native = DETECTORS[detector].score_types[0].name
    last = max(candidate.key.checkpoint for candidate in result.candidates)
    (judged,) = (c for c in result.candidates if (c.key.score_type, c.key.checkpoint) == (native, last))
    assert veto(judged, result) == ""
