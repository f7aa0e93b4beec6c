"""`protos/check.sh` notices what clients would notice, and `accept.sh` does not promise it away."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / os.environ.get("PROTOC_VENV", "build/protoc")
FILE = "automl_ad/rpc/v1/scoring.proto"

pytestmark = pytest.mark.skipif(
    not (TOOLS / "bin" / "buf").exists(), reason="buf is not installed: `bash protos/check.sh` installs it"
)


@pytest.fixture
def protos(tmp_path: Path) -> Path:
    """A copy of the protos that keeps every promise, with a history of its own."""
    copy = tmp_path / "protos"
    shutil.copytree(ROOT / "protos", copy)
    assert run(copy, "accept.sh").returncode == 0
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The API"]):
        subprocess.run([*git, *words], check=True)
    return copy


def run(protos: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PROTOC_VENV": str(TOOLS)}
    return subprocess.run(["bash", protos / script], capture_output=True, text=True, env=environment)


def edit(protos: Path, pattern: str, replacement: str) -> None:
    file = protos / FILE
    text, n_edits = re.subn(pattern, replacement, file.read_text(), count=1)
    assert n_edits == 1
    file.write_text(text)


def test_the_protos_as_they_are_pass(protos: Path):
    done = run(protos, "check.sh")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("pattern", "replacement", "complaint"),
    [
        (r"double threshold = 6;", "double threshold = 16;", 'field "6" with name "threshold"'),
        (r"double threshold = 6;", "float threshold = 6;", 'changed type from "double" to "float"'),
        (r"double threshold = 6;", "double cut = 6;", 'changed name from "threshold" to "cut"'),
        (r"  rpc ListModels.*\n", "", 'RPC "ListModels"'),
        (r"FEATURE_KIND_IMAGE = 5;", "FEATURE_KIND_IMAGE = 6;", 'enum value "5"'),
    ],
    ids=["renumbered", "retyped", "renamed", "method gone", "enum value moved"],
)
def test_what_breaks_clients_is_refused_by_both(protos: Path, pattern: str, replacement: str, complaint: str):
    promised = (protos / "baseline.binpb").read_bytes()
    edit(protos, pattern, replacement)
    for script in ("check.sh", "accept.sh"):
        done = run(protos, script)
        assert done.returncode != 0
        assert complaint in done.stdout
    assert (protos / "baseline.binpb").read_bytes() == promised


def test_an_addition_must_be_promised(protos: Path):
    edit(protos, r"(  double threshold = 6;\n)", r"\1\n  // New.\n  double novelty = 99;\n")
    assert "run protos/accept.sh" in run(protos, "check.sh").stderr
    assert run(protos, "accept.sh").returncode == 0
    assert run(protos, "check.sh").returncode == 0


def test_a_field_without_a_comment_is_refused(protos: Path):
    edit(protos, r"(  double threshold = 6;\n)", r"\1\n  double novelty = 99;\n")
    done = run(protos, "check.sh")
    assert done.returncode != 0
    assert 'Field "novelty" should have a non-empty comment' in done.stdout
