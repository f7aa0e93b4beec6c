"""`protos/check.sh` never calls an API kept whose history it could not read. A fake buf finds no fault."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROTOS = Path(__file__).parents[3] / "protos"
FAKE_BUF = """#!/bin/sh
[ "$1" != build ] || cp baseline.binpb "${4%#*}"
"""
BROKEN_GIT = f"""#!/bin/sh
[ "$1" != log ] || exit 128
exec {shutil.which("git")} "$@"
"""
IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.com")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture(autouse=True)
def no_other_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a hook of git sets must not lead here out of the folder of the test."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """The folder that check.sh takes for its environment, which comes first in PATH."""
    program(tmp_path / "tools" / "bin" / "buf", FAKE_BUF)
    shutil.copy(PROTOS / "requirements.txt", tmp_path / "tools")
    return tmp_path / "tools"


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A repository with two baselines in its history."""
    repository = tmp_path / "whole"
    shutil.copytree(PROTOS, repository / "protos")
    git(repository, "init", "--quiet")
    for content in (b"first", b"second"):
        (repository / "protos" / "baseline.binpb").write_bytes(content)
        git(repository, "add", ".")
        git(repository, *IDENTITY, "commit", "--quiet", "--message", "promise")
    return repository


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True)


def check(repository: Path, tools: Path) -> subprocess.CompletedProcess[str]:
    command = ["bash", repository / "protos" / "check.sh"]
    environment = os.environ | {"PROTOC_VENV": str(tools), "GIT_CEILING_DIRECTORIES": str(repository.parent)}
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


def test_every_baseline_of_the_history_is_held_to(whole, tools):
    checked = check(whole, tools)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "what 2 commits promised" in checked.stdout


def test_a_shallow_history_is_not_known(whole, tools, tmp_path):
    git(tmp_path, "clone", "--quiet", "--depth", "1", whole.as_uri(), "shallow")
    checked = check(tmp_path / "shallow", tools)
    assert (checked.returncode, checked.stdout) == (75, "")
    assert "git fetch --unshallow" in checked.stderr


def test_no_history_is_not_known(whole, tools):
    shutil.rmtree(whole / ".git")
    assert check(whole, tools).returncode == 75


def test_a_history_that_cannot_be_read_is_a_failure(whole, tools):
    program(tools / "bin" / "git", BROKEN_GIT)
    checked = check(whole, tools)
    assert (checked.returncode, checked.stdout) == (128, "")
