"""`automl-ad space`: what people and programs read on stdout, and the errors they meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from automl_ad.cli.space import app
from automl_ad.errors import SpaceError

KNN = """
[parameters.prep]
type = "categorical"
choices = ["zscore"]
default = "zscore"
[parameters.prep.image]
choices = ["unit"]
default = "unit"
"""


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_show_lists_presets_and_detectors() -> None:
    assert run("show").stdout.splitlines()[0] == "presets: balanced fast thorough"
    assert "dasvdd" in json.loads(run("show", "--json").stdout)["detectors"]


def test_show_a_detector() -> None:
    lines = run("show", "dasvdd").stdout.splitlines()
    assert lines[0].split() == ["parameter", "type", "values", "default", "only", "when"]
    (kappa,) = [line for line in lines if line.startswith("kappa")]
    assert kappa.split(maxsplit=5)[1:] == ["float", "[0.5,", "0.95]", "0.9", "center is 'adagrad' or 'ema'"]
    assert "unit | pm1" in run("show", "dasvdd", "--data-kind", "image").stdout


def test_show_a_detector_as_json() -> None:
    document = json.loads(run("show", "knn", "--json").stdout)
    assert document["detector"] == "knn"
    neighbors = document["parameters"][1]
    assert (neighbors["name"], neighbors["low"], neighbors["high"], neighbors["log"]) == (
        "n_neighbors",
        2,
        200,
        True,
    )


def test_show_a_preset_with_its_caps_and_baselines() -> None:
    text = run("show", "fast").stdout
    assert "n_epochs 30" in text
    assert "isolation_forest    prep=zscore, n_trees=300" in text
    assert json.loads(run("show", "fast", "--json").stdout)["caps"]["n_epochs"] == 30


def test_show_an_unknown_name() -> None:
    error = run("show", "isolation_forrest").exception
    assert isinstance(error, SpaceError)
    assert error.message == "every detector or preset must be known, got 'isolation_forrest'"
    assert error.hint == "did you mean 'isolation_forest'?"


def test_validate_says_which_files_are_valid(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'detector = "knn"\n{KNN}')
    result = run("validate", str(path))
    assert (result.exit_code, result.stdout) == (0, f"{path}: valid\n")


def test_validate_goes_on_after_a_wrong_file_and_names_all(tmp_path: Path) -> None:
    names = ["a.toml", "b.toml", "c.toml"]
    for name, detector in zip(names, ["knm", "knn", "kdee"], strict=True):
        (tmp_path / name).write_text(f'detector = "{detector}"\n{KNN}')
    result = run("validate", *(str(tmp_path / name) for name in names))
    assert result.stdout == f"{tmp_path / 'b.toml'}: valid\n"
    assert isinstance(result.exception, SpaceError)
    for wrong in ("known in a.toml, got 'knm'", "did you mean 'knn'?", "known in c.toml, got 'kdee'"):
        assert wrong in str(result.exception)


def test_validate_a_single_wrong_file_keeps_its_hint(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(f'detector = "knm"\n{KNN}')
    error = run("validate", str(tmp_path / "a.toml")).exception
    assert isinstance(error, SpaceError)
    assert error.hint == "did you mean 'knn'?"


def test_schema_is_a_json_document() -> None:
    assert json.loads(run("schema").stdout)["$schema"].endswith("2020-12/schema")


@pytest.mark.parametrize("verb", ["show", "validate", "schema"])
def test_every_verb_explains_itself(verb: str) -> None:
    assert "Usage" in run(verb, "--help").stdout
