"""PyOD's detectors behind our interface; the extra is part of the test requirements."""

from __future__ import annotations

import importlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from automl_ad.detectors import find_detector
from automl_ad.detectors.pyod_adapter import pyod_detector
from automl_ad.errors import ConfigError, TrialFailed
from automl_ad.training import fit

pytest.importorskip("pyod", reason="the extra [pyod] is not installed")

ROWS = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)


def make_fitted(name: str, seed: int = 0, **params):
    detector = find_detector(name).build({"prep": "zscore", **params}, n_features=4, n_members=3, seed=seed)
    fit(detector, ROWS, seed=seed, checkpoints=(), on_checkpoint=lambda _: False)
    return detector


def test_scores_are_those_of_pyod():
    theirs = importlib.import_module("pyod.models.lof").LOF(n_neighbors=7).fit(ROWS.astype(np.float64))
    ours = make_fitted("pyod:lof", n_neighbors=7)
    scores = ours.scores(ROWS[:9])["decision"]
    np.testing.assert_allclose(scores[0], theirs.decision_function(ROWS[:9].astype(np.float64)))
    assert (ours.n_members, scores.shape) == (1, (1, 9))
    assert dict(ours.arrays()) == {}


def test_the_seed_of_the_trial_is_the_random_state():
    first, same, other = (make_fitted("pyod:iforest", seed).scores(ROWS)["decision"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert not np.array_equal(first, other)


def test_a_parameter_that_pyod_does_not_know_fails_the_trial():
    with pytest.raises(TrialFailed, match="pyod:lof must be given its own parameters, got 'n_neighbor'"):
        make_fitted("pyod:lof", n_neighbor=7)


def test_what_pyod_raises_fails_the_trial():
    with pytest.raises(TrialFailed, match="pyod:lof"):
        make_fitted("pyod:lof", n_neighbors=0)


@pytest.mark.parametrize("name", ["pyod:ecodd", "pyod:../os", "pyod:", "pyod:base64"])
def test_an_unknown_name_is_refused(name):
    with pytest.raises(ConfigError, match=r"must be named pyod:<module of pyod\.models>"):
        pyod_detector(name)


def test_without_pyod_the_error_names_the_extra(monkeypatch):
    def no_pyod(name, *_):
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(importlib, "import_module", no_pyod)
    with pytest.raises(ConfigError) as refused:
        pyod_detector.__wrapped__("pyod:ecod")
    assert refused.value.hint == "install the extra: pip install 'automl-ad[pyod]'"


def test_a_parameter_of_a_file_that_pyod_does_not_know_ends_the_search_before_it_begins(
    automl_ad, tmp_path, blob_columns
):
    pq.write_table(blob_columns(n_rows=60, n_columns=3, seed=0), tmp_path / "rows.parquet")
    (tmp_path / "lof.toml").write_text(
        'detector = "pyod:lof"\n'
        '[parameters.prep]\ntype = "categorical"\nchoices = ["zscore"]\ndefault = "zscore"\n'
        '[parameters.n_nieghbors]\ntype = "int"\nlow = 5\nhigh = 50\ndefault = 20\n'
    )
    study = tmp_path / "study"
    ended = automl_ad(
        "search", tmp_path / "rows.parquet", "--space", tmp_path / "lof.toml", "--output", study
    )
    assert (ended.code, ended.out) == (2, "")
    assert "pyod:lof must be given its own parameters, got 'n_nieghbors'" in ended.err
    assert not study.exists()
