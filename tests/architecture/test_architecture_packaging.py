"""The wheel holds every package and nothing else; `--help` stays instant; the README's commands are real."""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "ray", "sklearn", "pyarrow", "optuna", "grpc", "numpy", "scipy", "torchvision"}


def test_pyproject_lists_every_package():
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {
        ".".join(init.parent.relative_to(ROOT).parts) for init in (ROOT / "automl_ad").rglob("__init__.py")
    }
    assert listed == folders | {"automl_ad.search_spaces", "automl_ad_serve"}


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return zipfile.ZipFile(next(folder.glob("automl_ad-*.whl"))).namelist()


def test_wheel_ships_the_product_and_no_tests(wheel_names: list[str]):
    assert not [name for name in wheel_names if "test" in Path(name).parts[0]]
    assert "automl_ad/py.typed" in wheel_names
    assert "automl_ad_serve/__init__.py" in wheel_names


def test_search_spaces_are_only_toml(wheel_names: list[str]):
    spaces = [name for name in wheel_names if name.startswith("automl_ad/search_spaces/")]
    assert {Path(name).suffix for name in spaces} == {".toml", ".py"}
    assert [name for name in spaces if name.endswith(".py")] == ["automl_ad/search_spaces/__init__.py"]
    assert len(spaces) - 1 == len(list((ROOT / "search_spaces").glob("*.toml")))


def test_the_command_line_imports_nothing_heavy():
    code = "import sys; import automl_ad.cli; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("marker", ["search-command", "test-command"])
def test_the_readme_has_its_two_commands(marker: str):
    readme = (ROOT / "README.md").read_text()
    block = readme.split(f"<!-- {marker} -->")[1].split("```")[1]
    assert re.search(r"pip\"? install", block)
