"""A search-space file either loads or fails with one sentence: rule, key, file, what was found."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from automl_ad.errors import SpaceError
from automl_ad.space import load_space, load_space_file, validate_file

PREP = '[parameters.prep]\ntype = "categorical"\nchoices = ["zscore", "robust"]\ndefault = "zscore"\n'
PREP_IMAGE = '[parameters.prep.image]\nchoices = ["unit"]\ndefault = "unit"\n'


def deep_svdd(body: str) -> str:
    return f'detector = "deep_svdd"\n{PREP}{PREP_IMAGE}{body}'


def entry(name: str, **keys: str) -> str:
    return "\n".join([f"[parameters.{name}]", *(f"{key} = {value}" for key, value in keys.items()), ""])


def rate(**keys: str) -> str:
    """A correct learning rate, changed by `keys`; an empty text removes one."""
    correct = {"type": '"float"', "low": "1e-4", "high": "1e-2", "log": "true", "default": "1e-3"}
    return entry("learning_rate", **{key: value for key, value in (correct | keys).items() if value})


def layers(**keys: str) -> str:
    correct = {"type": '"int"', "low": "1", "high": "3", "default": "2"}
    return entry("n_layers", **{key: value for key, value in (correct | keys).items() if value})


def width(choices: str, default: str = "1.0") -> str:
    return entry("width", type='"categorical"', choices=choices, default=default)


OBJECTIVE = entry("objective", type='"categorical"', choices='["hard", "soft"]', default='"hard"')


def nu(when: str) -> str:
    return entry("nu", type='"float"', low="0.01", high="0.5", default="0.1", when=when)


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


FILE = "in mine.toml"
RATE = f"for 'learning_rate' {FILE}"

BROKEN = {
    "unknown key": (rate(hihg="1"), f"every key must be known {RATE}, got 'hihg'", "did you mean 'high'?"),
    "key of another type": (
        entry("width", type='"categorical"', choices="[1.0]", default="1.0", low="1"),
        f"every key must be known for 'width' {FILE}, got 'low'",
        "",
    ),
    "unknown top-level key": (
        "",
        f"every key must be known {FILE}, got 'detecter'",
        "did you mean 'detector'?",
    ),
    "unknown parameter": (
        rate().replace("learning_rate", "learing_rate"),
        f"every parameter must be known {FILE}, got 'learing_rate'",
        "did you mean 'learning_rate'?",
    ),
    "unknown type": (
        rate(type='"flaot"'),
        f"type must be one of float, int, categorical {RATE}, got 'flaot'",
        "did you mean 'float'?",
    ),
    "no type": (rate(type=""), f"type must be given {RATE}, got nothing", ""),
    "no bound": (rate(low=""), f"low must be given {RATE}, got nothing", ""),
    "text as number": (rate(low='"1e-4"'), f"low must be a valid number {RATE}, got '1e-4'", ""),
    "boolean as integer": (
        layers(low="true"),
        f"low must be a valid integer for 'n_layers' {FILE}, got True",
        "",
    ),
    "integer as boolean": (rate(log="1"), f"log must be a valid boolean {RATE}, got 1", ""),
    "float as integer": (
        layers(high="3.0"),
        f"high must be a valid integer for 'n_layers' {FILE}, got 3.0",
        "",
    ),
    "infinite bound": (rate(high="inf"), f"high must be a finite number {RATE}, got inf", ""),
    "parameter is no table": (
        "[parameters]\nnu = 3\n",
        "nu must be a table",
        "",
    ),
    "low above high": (
        rate(low="0.1", high="0.01"),
        f"low must be below high {RATE}, got low=0.1, high=0.01",
        "to fix a value",
    ),
    "default too high": (rate(default="0.1"), f"default must be in [0.0001, 0.01] {RATE}, got 0.1", ""),
    "default not on the grid": (
        layers(high="5", step="2", default="2"),
        f"default must be 1 plus a multiple of 2 for 'n_layers' {FILE}, got 2",
        "",
    ),
    "no default": (rate(default=""), f"default or default_rule must be given, not both, {RATE}", ""),
    "two defaults": (
        rate(default_rule='"n"'),
        f"default or default_rule must be given, not both, {RATE}",
        "",
    ),
    "log from zero": (rate(low="0.0"), f"low must be above 0 with log {RATE}, got low=0.0", ""),
    "step with log": (rate(step="1e-4"), f"step must be left out with log {RATE}, got step=0.0001", ""),
    "negative step": (layers(step="-1"), f"step must be above 0 for 'n_layers' {FILE}, got step=-1", ""),
    "step misses high": (
        layers(high="4", step="2"),
        f"high must be low plus a multiple of step for 'n_layers' {FILE}, got low=1, high=4, step=2",
        "",
    ),
    "no choices": (width("[]"), f"choices must hold at least one value for 'width' {FILE}, got []", ""),
    "choice twice": (width("[1.0, 2.0, 1.0]"), f"choices must differ for 'width' {FILE}, got 1.0 twice", ""),
    "choices of two types": (
        width("[0.5, 1, 2]"),
        f"choices must be of one type for 'width' {FILE}, got float, int",
        "write 1.0 instead of 1",
    ),
    "choices no list": (
        width("1.0"),
        f"choices must be a valid list for 'width' {FILE}, got 1.0",
        "",
    ),
    "choice is a date": (
        width("[2020-01-01]"),
        f"choices must be a list of texts, numbers or booleans for 'width' {FILE}",
        "",
    ),
    "default no choice": (
        width("[1.0, 2.0]", default="3.0"),
        f"default must be one of 1.0, 2.0 for 'width' {FILE}, got 3.0",
        "",
    ),
    "boolean default among integers": (
        entry("batch_size", type='"categorical"', choices="[1, 2]", default="true"),
        f"default must be one of 1, 2 for 'batch_size' {FILE}, got True",
        "",
    ),
    "values of another type": (
        entry("n_layers", type='"float"', low="1", high="3", default="2"),
        f"values must be of type int for 'n_layers' {FILE}, got float",
        "",
    ),
    "word unknown to the detector": (
        entry("objective", type='"categorical"', choices='["hard", "sfot"]', default='"hard"'),
        f"choices must be one of 'hard', 'soft' for 'objective' {FILE}, got 'sfot'",
        "",
    ),
    "condition on a later parameter": (
        nu('{ objective = "soft" }') + OBJECTIVE,
        f"when must name an earlier parameter for 'nu' {FILE}, got 'objective'",
        "move 'objective' above 'nu'",
    ),
    "condition on an unknown parameter": (
        OBJECTIVE + nu('{ objectiv = "soft" }'),
        f"when must name an earlier parameter for 'nu' {FILE}, got 'objectiv'",
        "did you mean 'objective'?",
    ),
    "condition on an impossible word": (
        OBJECTIVE + nu('{ objective = ["soft", "firm"] }'),
        f"when: 'objective' must be one of 'hard', 'soft' for 'nu' {FILE}, got 'firm'",
        "",
    ),
    "condition on an impossible number": (
        layers() + nu("{ n_layers = 9 }"),
        f"when: 'n_layers' must be in [1, 3] for 'nu' {FILE}, got 9",
        "",
    ),
    "condition on a boolean that is an integer": (
        layers() + nu("{ n_layers = true }"),
        f"when: 'n_layers' must be an integer for 'nu' {FILE}, got True",
        "",
    ),
    "condition on a float": (
        rate() + nu("{ learning_rate = 1e-3 }"),
        f"when must not compare a float parameter for 'nu' {FILE}, got 'learning_rate'",
        "",
    ),
    "condition without values": (
        OBJECTIVE + nu("{ objective = [] }"),
        f"when must hold at least one value of 'objective' for 'nu' {FILE}, got []",
        "",
    ),
    "condition no table": (
        OBJECTIVE + nu('"soft"'),
        "when must be a table for 'nu' in mine.toml, got 'soft'",
        "",
    ),
    "condition on a date": (
        OBJECTIVE + nu("{ objective = 2020-01-01 }"),
        f"when must give every parameter a value or a list of values for 'nu' {FILE}",
        "",
    ),
    "default is a list": (
        width("[1.0]", default="[1.0]"),
        f"default must be a text, a number or a boolean for 'width' {FILE}, got [1.0]",
        "",
    ),
    "unknown key in an override": (
        rate() + "[parameters.learning_rate.image]\nhgih = 1.0\n",
        f"every key must be known for 'learning_rate.image' {FILE}, got 'hgih'",
        "did you mean 'high'?",
    ),
    "wrong type in an override": (
        rate() + '[parameters.learning_rate.image]\nhigh = "1"\n',
        f"high must be a valid number for 'learning_rate.image' {FILE}, got '1'",
        "",
    ),
    "bounds crossed by an override": (
        rate() + "[parameters.learning_rate.image]\nlow = 1.0\n",
        f"low must be below high {RATE}, got low=1.0, high=0.01",
        "",
    ),
    "no TOML": ("low = = 1", "mine.toml must be valid TOML, got: Invalid value", ""),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_rule_and_finding(case: str, tmp_path: Path) -> None:
    body, sentence, hint = BROKEN[case]
    text = deep_svdd(body)
    if case == "unknown top-level key":
        text = 'detecter = "knn"\n' + text
    with pytest.raises(SpaceError) as caught:
        validate_file(write(tmp_path, text))
    assert caught.value.message.startswith(sentence)
    assert "mine.toml" in caught.value.message
    assert caught.value.hint.startswith(hint)
    assert caught.value.exit_code == 2


def test_a_correct_file_loads_with_its_own_bounds(tmp_path: Path) -> None:
    body = OBJECTIVE + nu('{ objective = "soft" }') + rate(high="0.5") + layers()
    space = load_space_file(write(tmp_path, deep_svdd(body)))
    assert space.detector == "deep_svdd"
    assert space["learning_rate"].high == 0.5
    assert space.defaults() == {
        "prep": "zscore",
        "objective": "hard",
        "learning_rate": 1e-3,
        "n_layers": 2,
    }


def test_a_value_can_be_fixed_by_one_choice(tmp_path: Path) -> None:
    body = entry("n_layers", type='"categorical"', choices="[2]", default="2")
    assert load_space_file(write(tmp_path, deep_svdd(body))).defaults()["n_layers"] == 2


def test_an_override_holds_for_its_kind_of_data_only(tmp_path: Path) -> None:
    path = write(tmp_path, deep_svdd(rate() + "[parameters.learning_rate.image]\nhigh = 5e-3\n"))
    assert load_space_file(path, data_kind="image")["learning_rate"].high == 5e-3
    assert load_space_file(path, data_kind="image").defaults()["prep"] == "unit"
    assert load_space_file(path, data_kind="tabular")["learning_rate"].high == 1e-2


def test_a_condition_may_name_a_choice_that_one_kind_of_data_does_not_have(tmp_path: Path) -> None:
    image = '[parameters.objective.image]\nchoices = ["hard"]\ndefault = "hard"\n'
    path = write(tmp_path, deep_svdd(OBJECTIVE + image + nu('{ objective = ["hard", "soft"] }')))
    assert load_space_file(path)["nu"].when == {"objective": ("hard", "soft")}
    assert load_space_file(path, data_kind="image")["nu"].when == {"objective": ("hard",)}


def test_a_file_must_exist_and_name_a_known_detector(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"must be readable text, got .*nowhere\.toml"):
        load_space_file(tmp_path / "nowhere.toml")
    with pytest.raises(
        SpaceError, match=r"every detector must be known in mine\.toml, got 'deep_svd'"
    ) as caught:
        load_space_file(write(tmp_path, deep_svdd("").replace("deep_svdd", "deep_svd")))
    assert caught.value.hint == "did you mean 'deep_svdd'?"


def test_prep_cannot_be_left_out(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"'prep' must be a parameter in mine\.toml, got n_layers"):
        load_space_file(write(tmp_path, f'detector = "deep_svdd"\n{layers()}'))


PRESET = 'name = "mine"\ndescription = "d"\nn_members = 2\n'

BROKEN_PRESETS = {
    "no detector": ("detectors = []", "detectors must be named, each once", ""),
    "detector twice": ('detectors = ["knn", "knn"]', "detectors must be named, each once", ""),
    "unknown detector": ('detectors = ["knnn"]', "every detector must be known", "did you mean 'knn'?"),
    "unknown cap": (
        'detectors = ["knn"]\ncaps = { n_neighbor = 5 }',
        "every cap on an int parameter must be known",
        "did you mean 'n_neighbors'?",
    ),
    "cap on a float": ('detectors = ["kde"]\ncaps = { bandwidth_factor = 5 }', "every cap on an int", ""),
    "cap below low": ('detectors = ["knn"]\ncaps = { n_neighbors = 1 }', "low must be below high", ""),
    "cap no integer": (
        'detectors = ["knn"]\ncaps = { n_neighbors = 1.5 }',
        "caps.n_neighbors must be a valid integer",
        "",
    ),
    "cap of zero": (
        'detectors = ["knn"]\ncaps = { n_neighbors = 0 }',
        "caps.n_neighbors must be greater than",
        "",
    ),
    "unknown key": ('detectors = ["knn"]\ncap = 1', "every key must be known", "did you mean 'caps'?"),
}


@pytest.mark.parametrize("case", BROKEN_PRESETS)
def test_a_broken_preset_is_named(case: str, tmp_path: Path) -> None:
    body, sentence, hint = BROKEN_PRESETS[case]
    with pytest.raises(SpaceError) as caught:
        validate_file(write(tmp_path, PRESET + body, "preset_mine.toml"))
    assert caught.value.message.startswith(sentence)
    assert "preset_mine.toml" in caught.value.message
    assert caught.value.hint.startswith(hint)


BROKEN_BASELINES = {
    'detector = "knnn"': "every detector must be known in baselines.toml, got 'knnn'",
    'detector = "knn"\nparams = { n_neighbors = 0 }': "baseline 'a' in baselines.toml: 'n_neighbors' of knn",
    'detector = "knn"\nparams = { k = 5 }': "baseline 'a' in baselines.toml: every parameter must belong",
    'detector = "knn"\nparam = { k = 5 }': "every key must be known for 'a' in baselines.toml, got 'param'",
    'detector = "knn"\nparams = { k = [] }': "params must give every parameter a text, a number",
    "params = {}": "detector must be given for 'a' in baselines.toml, got nothing",
}


@pytest.mark.parametrize("body", BROKEN_BASELINES)
def test_a_broken_baseline_is_named(body: str, tmp_path: Path) -> None:
    with pytest.raises(SpaceError) as caught:
        validate_file(write(tmp_path, f"[baselines.a]\n{body}", "baselines.toml"))
    assert caught.value.message.startswith(BROKEN_BASELINES[body])


PYOD_FILE = """
detector = "pyod:lof"
[parameters.prep]
type = "categorical"
choices = ["robust"]
default = "robust"
[parameters.n_neighbors]
type = "int"
low = 5
high = 50
default = 20
"""


def test_a_file_of_ones_own_replaces_the_shipped_space_and_is_searched(tmp_path: Path) -> None:
    own = write(tmp_path, PYOD_FILE)
    space = load_space("fast", data_kind="tabular", only=("knn",), files=(own,))
    assert list(space.detectors) == ["pyod:lof", "knn"]
    assert space.detectors["pyod:lof"].defaults() == {"prep": "robust", "n_neighbors": 20}


def test_caps_of_the_preset_do_not_touch_a_file_of_ones_own(tmp_path: Path) -> None:
    shipped = files("automl_ad.search_spaces").joinpath("autoencoder.toml").read_text()
    own = write(tmp_path, shipped.replace("default = 100 ", "default = 200 "))
    space = load_space("fast", data_kind="tabular", files=(own,))
    assert space.detectors["autoencoder"].defaults()["n_epochs"] == 200
    assert space.detectors["dasvdd"].defaults()["n_epochs"] == 30


def test_a_file_for_pyod_may_only_scale_as_we_do(tmp_path: Path) -> None:
    own = write(tmp_path, PYOD_FILE.replace('"robust"', '"robst"'))
    with pytest.raises(SpaceError, match=r"'prep' in mine\.toml"):
        load_space("fast", data_kind="tabular", files=(own,))


def test_two_files_for_one_detector_are_refused(tmp_path: Path) -> None:
    own = [write(tmp_path, PYOD_FILE, name) for name in ("one.toml", "two.toml")]
    with pytest.raises(SpaceError, match="each detector must have one space, got a second one for pyod:lof"):
        load_space("fast", data_kind="tabular", files=own)


def test_a_file_for_tables_only_says_so(tmp_path: Path) -> None:
    vae = PYOD_FILE.replace("pyod:lof", "vae").partition("[parameters.n_neighbors]")[0]
    with pytest.raises(SpaceError) as refused:
        validate_file(write(tmp_path, vae))
    assert refused.value.hint == 'if the file is not for image data, write data_kinds = ["tabular"]'
    validate_file(write(tmp_path, vae.replace('"vae"', '"vae"\ndata_kinds = ["tabular"]')))
