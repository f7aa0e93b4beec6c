"""Clients that nobody here wrote against `automl-ad serve` with TLS and a token: prints what each said.

    python tests/integration/foreign_clients.py FOLDER [--artifact ARTIFACT] [--grpcurl FILE]

Makes in FOLDER a registry (of ARTIFACT, else of a short search of the demo table), an authority with a
certificate, a file of keys, and an environment for each client: tritonclient, @grpc/grpc-js, Java, and
grpcurl where there is one. Ends with 1 unless each command ended as it must and all clients got the
same score. Not a pytest module: it takes minutes, and the package registries.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from foreign_site import MODEL, Site, make_registry, make_secrets, serving

from automl_ad.rpc.client import ScoringClient

HERE = Path(__file__).parent
SCORE = re.compile(r'(?:scores|"anomalyScore":)[\s\[]*(-?\d+\.\d+(?:[eE]-?\d+)?)')


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One command of a client."""

    command: Sequence[str]
    must_end_with: int = 0
    environment: tuple[tuple[str, str], ...] = ()


def main() -> int:
    parser = argparse.ArgumentParser(description="Foreign clients against a service with TLS and a token.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--artifact", type=Path, help="one whose features are all numeric")
    parser.add_argument("--grpcurl", default=shutil.which("grpcurl"), help="the real one, if there is one")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    make_registry(folder, given.artifact)
    make_secrets(folder)
    with serving(folder) as site:
        ended = [(step, run(step)) for step in all_steps(site, given.grpcurl)]
    print(f"\n# what the server logged\n{(folder / 'serve.log').read_text()}")  # noqa: T201
    return judge(ended)


def all_steps(site: Site, grpcurl: str | None) -> Iterator[Step]:
    """The commands, each client's environment made just before."""
    yield from health(site)
    yield from reflection(site)
    yield from grpcurl_itself(site, grpcurl)
    yield from triton(site)
    yield from node(site)
    yield from java(site)
    yield from ours(site)


def health(site: Site) -> Iterator[Step]:
    yield Step(command=python("health_probe.py", site.target, "--ca", site.ca))
    yield Step(command=python("health_probe.py", site.target), must_end_with=2)
    yield Step(command=python("health_probe.py", site.target, "nobody", "--ca", site.ca), must_end_with=3)


def reflection(site: Site) -> Iterator[Step]:
    calls = ["grpcurl_like.py", site.target, "--ca", site.ca, "--token-file", site.token_file]
    scoring = "automl_ad.rpc.v1.ScoringService"
    yield Step(command=python(*calls, "list"))
    yield Step(command=python(*calls, "describe", "automl_ad.rpc.v1.PackedMatrix"))
    yield Step(command=python(*calls, f"{scoring}/Score", zeros(site)))
    yield Step(command=python(*calls, "grpc.health.v1.Health/Check"))
    yield Step(command=python(*calls, f"{scoring}/GetModel", '{"model": "nobody"}'), must_end_with=1)
    yield Step(command=python(*calls[:4], f"{scoring}/ListModels"), must_end_with=1)


def grpcurl_itself(site: Site, grpcurl: str | None) -> Iterator[Step]:
    if grpcurl is None:
        return skip("grpcurl", "not found")
    flags = ["-cacert", site.ca, "-H", f"authorization: Bearer {Path(site.token_file).read_text()}"]
    yield Step(command=[grpcurl, *flags, site.target, "list"])
    score = "automl_ad.rpc.v1.ScoringService/Score"
    yield Step(command=[grpcurl, *flags, "-d", zeros(site), site.target, score])


def triton(site: Site) -> Iterator[Step]:
    environment = site.folder / "venv-triton"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin/pip", "install", "-q", "tritonclient[grpc]"], check=True)
    client = [str(environment / "bin/python"), str(HERE / "triton_client.py")]
    yield Step(command=[*client, site.target, MODEL, site.ca, site.token_file])


def node(site: Site) -> Iterator[Step]:
    if shutil.which("npm") is None:
        return skip("JavaScript", "npm was not found")
    packages = ["@grpc/grpc-js", "@grpc/proto-loader"]
    subprocess.run(["npm", "install", "--silent", "--prefix", site.folder, *packages], check=True)
    client = ["node", str(HERE / "node/score_client.js"), site.target, site.ca, site.token_file]
    yield Step(command=client, environment=(("NODE_PATH", str(site.folder / "node_modules")),))


def java(site: Site) -> Iterator[Step]:
    if shutil.which("grpc_java_plugin") is None or shutil.which("javac") is None:
        return skip("Java", "java/packages.txt names what it needs")
    classes = site.folder / "java"
    subprocess.run(["bash", HERE / "java/build.sh", classes], check=True)
    client = ["java", f"@{classes}/arguments", site.target, MODEL]
    yield Step(command=[*client, site.ca, site.token_file])


def ours(site: Site) -> Iterator[Step]:
    yield Step(command=python("python_client.py", site.target, MODEL, site.ca, site.token_file))


def zeros(site: Site) -> str:
    """Two rows of zeros as JSON: what every client here scores."""
    with ScoringClient(site.target, tls_ca=Path(site.ca), token=Path(site.token_file)) as client:
        (model,) = client.list_models()
    n_features = len(model.features)
    matrix = {"nFeatures": n_features, "values": [0.0] * (2 * n_features)}
    return json.dumps({"model": MODEL, "doubleMatrix": matrix})


def python(script: str, *arguments: str) -> list[str]:
    return [sys.executable, str(HERE / script), *arguments]


def skip(client: str, why: str) -> None:
    print(f"\n# no {client}: {why}")  # noqa: T201


def run(step: Step) -> tuple[int, str]:
    """Exit code and what it said, printed as a person would have seen it."""
    show(step.command)
    environment = os.environ | dict(step.environment) | {"GRPC_VERBOSITY": "NONE"}
    done = subprocess.run(
        step.command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        timeout=120,
    )
    verdict = "" if done.returncode == step.must_end_with else f"   # MUST END WITH {step.must_end_with}"
    print(f"{done.stdout.rstrip()}\n[exit {done.returncode}]{verdict}")  # noqa: T201
    return done.returncode, done.stdout


def show(command: Sequence[str]) -> None:
    words = (word if len(word) < 120 else f"{word[:60]}...{word[-20:]}" for word in command)
    line = re.sub(r"Bearer \w+", "Bearer $TOKEN", " ".join(words))
    print(f"\n$ {line}")  # noqa: T201


def judge(ended: Sequence[tuple[Step, tuple[int, str]]]) -> int:
    """0 if everything ended as it must, and every score of the two rows is the same."""
    wrong = [step for step, (code, _) in ended if code != step.must_end_with]
    scores = {round(float(score), 9) for _, (_, text) in ended for score in SCORE.findall(text)}
    print(f"\n{len(ended)} commands, {len(wrong)} ended otherwise than they must; scores seen: {scores}")  # noqa: T201
    return 0 if not wrong and len(scores) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
