"""The shipped files: every one valid, presets and baselines consistent, the package light to import."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

import pytest

from automl_ad.config import Preset as PresetName
from automl_ad.detectors import DETECTORS
from automl_ad.errors import SpaceError
from automl_ad.space import (
    detector_names,
    json_schema,
    load_baselines,
    load_detector,
    load_preset,
    load_space,
    preset_names,
    validate_file,
)

SHIPPED = sorted(
    Path(str(file)) for file in files("automl_ad.search_spaces").iterdir() if file.name.endswith(".toml")
)
ANCHORS = {"isolation_forest", "knn", "gmm", "pca", "kde"}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_file_is_valid(path: Path) -> None:
    validate_file(path)


def test_names_are_the_canonical_ones() -> None:
    assert set(detector_names()) == set(DETECTORS)
    assert set(preset_names()) == set(get_args(PresetName))
    for name in detector_names():
        assert load_detector(name, data_kind="tabular").detector == name
    for name in preset_names():
        assert load_preset(name).name == name


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_the_model_keeps_every_parameter_of_the_file_in_order(name: str) -> None:
    document = tomllib.loads((SHIPPED[0].parent / f"{name}.toml").read_text())
    space = load_detector(name, data_kind="tabular")
    assert [p.name for p in space.parameters] == list(document["parameters"])
    for parameter in space.parameters:
        written = document["parameters"][parameter.name]
        for key in ("low", "high", "log", "step", "default", "default_rule"):
            assert key not in written or getattr(parameter, key) == written[key]


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_prep_fits_the_kinds_of_data_that_the_detector_reads(name: str) -> None:
    preps = {"tabular": ("zscore", "robust", "minmax"), "image": ("unit", "pm1")}
    kinds = load_detector(name, data_kind="tabular").data_kinds
    assert kinds
    for kind in kinds:
        expected = ("unit",) if name == "pixelcnn" else preps[kind]  # it models levels between 0 and 1
        assert load_detector(name, data_kind=kind)["prep"].choices == expected
    if "tabular" in kinds:
        assert load_detector(name, data_kind="tabular").defaults()["prep"] == "zscore"


def test_a_preset_skips_what_cannot_read_the_data() -> None:
    assert "pixelcnn" not in load_space("thorough", data_kind="tabular").detectors
    assert "pixelcnn" in load_space("thorough", data_kind="image").detectors
    assert "made" not in load_space("thorough", data_kind="image").detectors
    with pytest.raises(SpaceError, match="pixelcnn must be searched on image data, got tabular data"):
        load_space("thorough", data_kind="tabular", only=("pixelcnn",))


@pytest.mark.parametrize("preset", ["fast", "balanced", "thorough"])
def test_a_preset_caps_bounds_and_defaults(preset: str) -> None:
    space = load_space(preset, data_kind="tabular")
    cap = {"fast": 30, "balanced": 100, "thorough": 300}[preset]
    for name in ("autoencoder", "deep_svdd", "iaead", "dasvdd"):
        assert space.detectors[name]["n_epochs"].high == cap
        default = space.detectors[name].defaults()["n_epochs"]
        assert default == min(cap, int(load_detector(name, data_kind="tabular").defaults()["n_epochs"]))
    image_only = {"pixelcnn"}
    assert tuple(space.detectors) == tuple(n for n in space.preset.detectors if n not in image_only)
    assert f"{cap} epochs" in space.preset.description.replace("\n", " ")
    assert f"trains {space.preset.n_members} networks" in space.preset.description.replace("\n", " ")


def test_baselines_hold_the_anchors_and_no_preset_changes_them() -> None:
    baselines = load_space("fast", data_kind="tabular").baselines
    assert baselines == load_space("thorough", data_kind="tabular").baselines
    by_detector = {baseline.detector: dict(baseline.params) for baseline in baselines}
    assert set(by_detector) >= ANCHORS
    assert by_detector["knn"] == {"prep": "zscore", "n_neighbors": 50, "aggregate": "mean"}
    assert by_detector["isolation_forest"]["n_trees"] == 300
    assert by_detector["gmm"]["n_components"] == 1
    assert {baseline.origin for baseline in baselines} == {"baseline"}
    assert {baseline.params["prep"] for baseline in baselines} == {"zscore"}
    assert {baseline.params["prep"] for baseline in load_baselines(data_kind="image").values()} == {"unit"}


@pytest.mark.parametrize("preset", ["fast", "balanced", "thorough"])
@pytest.mark.parametrize("kind", ["tabular", "image"])
def test_no_config_runs_twice(preset: str, kind: Any) -> None:
    space = load_space(preset, data_kind=kind)
    defaults = space.published_defaults()
    configs = [(c.detector, tuple(sorted(c.params.items()))) for c in (*space.baselines, *defaults)]
    assert len(set(configs)) == len(configs)
    assert {default.origin for default in defaults} == {"default"}
    run = {detector for detector, _ in configs}
    assert run >= set(space.detectors)
    assert {"autoencoder", "deep_svdd", "iaead", "dasvdd"} <= {default.detector for default in defaults}


def test_only_names_the_detectors_to_search_under_the_caps_of_the_preset() -> None:
    space = load_space("fast", data_kind="tabular", only=("kde", "dasvdd"))
    assert tuple(space.detectors) == ("kde", "dasvdd")
    assert space.detectors["dasvdd"]["n_epochs"].high == 30
    assert len(space.baselines) == len(load_space("fast", data_kind="tabular").baselines)


@pytest.mark.parametrize(
    ("arguments", "sentence", "hint"),
    [
        ({"preset": "fsat"}, "every preset must be known, got 'fsat'", "did you mean 'fast'?"),
        (
            {"preset": "fast", "only": ("knm",)},
            "every detector must be known, got 'knm'",
            "did you mean 'knn'?",
        ),
        ({"preset": "fast", "only": ()}, "at least one detector must be searched, got none", ""),
        ({"preset": "fast", "only": ("baselines",)}, "every detector must be known", ""),
    ],
)
def test_unknown_names_come_with_the_nearest_one(arguments: Any, sentence: str, hint: str) -> None:
    with pytest.raises(SpaceError) as caught:
        load_space(data_kind="tabular", **arguments)
    assert caught.value.message.startswith(sentence)
    assert caught.value.hint.startswith(hint)


def test_a_space_travels_between_processes() -> None:
    space = load_space("fast", data_kind="tabular")
    assert pickle.loads(pickle.dumps(space)) == space


def test_the_schema_describes_what_the_files_hold() -> None:
    schema = json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    models = schema["$defs"]
    for path in SHIPPED:
        for entry in tomllib.loads(path.read_text()).get("parameters", {}).values():
            model = models[f"{entry['type'].capitalize()}Entry"]
            assert set(entry) <= set(model["properties"])
            assert set(model["required"]) <= set(entry)
            assert model["additionalProperties"] is False


def test_importing_the_package_stays_light() -> None:
    code = (
        "import sys, automl_ad.space; "
        "print([m for m in ('torch', 'optuna', 'ray', 'sklearn', 'pyarrow', 'grpc') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
