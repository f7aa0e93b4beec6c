"""Stubs for Java come out of our proto, compile, and score: the recipe of tests/integration/java is run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from automl_ad.rpc.client import ScoringClient

JAVA = Path(__file__).parents[2] / "integration" / "java"
NEEDED = ("java", "javac", "protoc", "grpc_java_plugin")

pytestmark = pytest.mark.skipif(
    any(shutil.which(name) is None for name in NEEDED)
    or not Path("/usr/share/java/netty-tcnative.jar").exists(),
    reason="Java is not installed: tests/integration/java/packages.txt names its packages",
)


def run(*command: object) -> str:
    quiet = os.environ | {"JAVA_TOOL_OPTIONS": ""}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_client_in_java_gets_the_scores_of_ours(address: str, tmp_path: Path):
    run("bash", JAVA / "build.sh", tmp_path)
    model, scores, refused = run("java", f"@{tmp_path}/arguments", address, "numeric").splitlines()
    with ScoringClient(address) as client:
        ours = client.score([[0.0, 0.0, 0.0]] * 2, model="numeric")
    assert model == f"model {ours.model} {ours.version}"
    assert scores == (
        f"scores {ours.anomaly_score.tolist()} anomalies {str(ours.is_anomaly.tolist()).lower()}"
    )
    assert refused == "refused INVALID_ARGUMENT: a row must have 3 features, got 4"
