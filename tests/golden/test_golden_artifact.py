"""An artifact of every released format opens for ever, and scores as it did on the day it was written."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from automl_ad import Scorer

FOLDER = Path(__file__).parent
FORMATS = sorted(path.name.removeprefix("artifact-") for path in FOLDER.glob("artifact-format-*"))


@pytest.mark.parametrize("name", FORMATS)
def test_old_artifacts_score_as_they_did(name: str):
    rows = pq.read_table(FOLDER / f"rows-{name}.parquet")
    scores = Scorer.load(FOLDER / f"artifact-{name}").score(rows)
    np.testing.assert_allclose(scores.anomaly_score, rows["anomaly_score"].to_numpy(), rtol=1e-5)
    np.testing.assert_allclose(scores.percentile, rows["percentile"].to_numpy(), atol=1e-9)


def test_the_format_written_today_is_among_them():
    from automl_ad.artifact.manifest import SCHEMA_VERSION

    assert f"format-{SCHEMA_VERSION}" in FORMATS
