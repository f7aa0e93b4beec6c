"""Hostile names, references and registry folders: each action works or is refused, and reads nothing outside.

Beside the registry lies `outside/` with an artifact and a canary; names, aliases, links and folders try to
lead there. Proof that nothing of it is read: the paths that Python opens, strace where there is one, the
canary's words in no message, and its folder unchanged.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from child import Child
from fuzz_models import numeric_rows, write_ensemble
from mutation import EVIL_TEXTS, json_bytes, mutated_bytes, mutated_json
from outcomes import Report, leak_in

from automl_ad.artifact.registry import Registry

EXPECTED = {"ok", "refused"}
ACTIONS = (
    "names",
    "entry",
    "resolve",
    "load",
    "load",
    "promote",
    "promote alias",
    "rollback",
    "add",
    "add alias",
)
CANARY = "the canary sings"
_OPENED = re.compile(r"open\w*\(.*= \d+<(?P<path>/[^>]*)>")


def run(n_cases: int, seed: int) -> Report:
    """What became of the cases."""
    report = Report(target="registry", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        original, artifact, outside = write_places(place)
        before = _listing(outside)
        trace = place / "trace"
        prefix = _strace(trace)
        with Child("registry_child.py", str(original), prefix=prefix) as child:
            for index in range(n_cases):
                rng = random.Random(f"{seed}/registry/{index}")
                victim = place / "registry"
                shutil.rmtree(victim, ignore_errors=True)
                shutil.copytree(original, victim)
                damage = damaged(victim, outside, rng) if rng.random() < 0.7 else "none"
                question = _question(rng, victim, artifact)
                asked = {key: question[key][:80] for key in ("action", "name", "reference")}
                _judge(report, f"{index}: {damage}, {asked}", child.ask(question), outside)
        if prefix:
            _judge_trace(report, trace, outside)
        if _listing(outside) != before:
            report.find("all", "outside/ was changed", _listing(outside))
        report.counts["traced with strace" if prefix else "not traced: no strace"] = 1
    return report


def write_places(place: Path) -> tuple[Path, Path, Path]:
    """A registry of two versions, a third artifact, and what lies outside."""
    artifacts = [write_ensemble(place / f"v{seed}" / "sizes", numeric_rows(), seed=seed) for seed in range(4)]
    registry = Registry.open(place / "original")
    for artifact in artifacts[:2]:
        registry.add("sizes", artifact)
    registry.promote("sizes")
    outside = place / "outside"
    outside.mkdir()
    (outside / "canary").write_text(CANARY)
    (outside / "aliases.json").write_text(json.dumps({"schema_version": 1, "canary": CANARY}))
    shutil.copytree(artifacts[3], outside / "artifact")
    return place / "original", artifacts[2], outside


def damaged(registry: Path, outside: Path, rng: random.Random) -> str:
    """Damage the registry; what was done comes out."""
    paths = sorted(path for path in registry.rglob("*") if not path.is_symlink())
    documents = [path for path in paths if path.suffix == ".json"]
    path = rng.choice(documents if rng.random() < 0.4 else paths)
    name = str(path.relative_to(registry))
    if path.is_file() and path.suffix == ".json" and rng.random() < 0.7:
        document = mutated_json(json.loads(path.read_bytes()), rng)
        path.write_bytes(json_bytes(document, rng))
        return f"JSON of {name}"
    if path.is_file() and rng.random() < 0.3:
        path.write_bytes(mutated_bytes(path.read_bytes(), rng))
        return f"bytes of {name}"
    if rng.random() < 0.15:
        beside = path.parent / rng.choice(
            ("stray", ".hidden", "..a", "x" * 200, "0" * 16, "a\nb", "caf\u00e9")
        )
        beside.symlink_to(rng.choice((outside, outside / "artifact")))
        return f"a link beside {name}"
    return _replaced(path, outside, rng) + f" instead of {name}"


def _replaced(path: Path, outside: Path, rng: random.Random) -> str:
    """By a link to the outside, a loop, a pipe, a folder, a file, or nothing."""
    is_folder = path.is_dir()
    shutil.rmtree(path) if is_folder else path.unlink()
    match rng.randrange(8):
        case 0:
            return "nothing"
        case 1:
            os.mkfifo(path)
            return "a pipe"
        case 2:
            path.symlink_to(path)
            return "a loop"
        case 3:
            path.write_text("{}") if is_folder else path.mkdir()
            return "the other kind"
        case 4 if not is_folder:
            path.symlink_to(os.path.relpath(outside / "canary", path.parent))
            return "a relative link"
    path.symlink_to(outside / ("artifact" if is_folder else rng.choice(("canary", "aliases.json"))))
    return "a link"


def _question(rng: random.Random, registry: Path, artifact: Path) -> dict[str, str]:
    versions = [path.name for path in registry.rglob("*") if re.fullmatch("[0-9a-f]{16}", path.name)]
    hostile = (
        *EVIL_TEXTS,
        "../outside",
        "../outside/artifact",
        "sizes/../../outside",
        str(registry),
        "a" * 129,
    )
    known = ("", "champion", "canary", *versions)
    return {
        "registry": str(registry),
        "artifact": str(artifact),
        "action": rng.choice(ACTIONS),
        "name": rng.choice(hostile) if rng.random() < 0.3 else "sizes",
        "reference": rng.choice(hostile) if rng.random() < 0.4 else rng.choice(known),
    }


def _judge(report: Report, case: str, answer: dict, outside: Path) -> None:
    report.count(answer["outcome"])
    if answer["outcome"] not in EXPECTED:
        report.find(case, answer["outcome"], answer.get("detail", ""))
        return
    strays = [path for path in answer["opened"] if path.startswith(str(outside))]
    if strays:
        report.find(case, "opened what lies outside", strays)
    if CANARY in answer["said"] or leak_in(answer["said"]):
        report.find(case, "tells what it must not", answer["said"])


def _strace(trace: Path) -> list[str]:
    """The command that traces a child; empty where there is none, or it may not."""
    command = ["strace", "-f", "-y", "-qq", "-s", "4096", "-e", "trace=open,openat,openat2", "-o", str(trace)]
    if shutil.which("strace") is None:
        return []
    tried = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True)
    return [] if tried.returncode else command


def _judge_trace(report: Report, trace: Path, outside: Path) -> None:
    """Whatever was opened with success must lie elsewhere; strace resolves the descriptor that came back."""
    for line in trace.read_text(errors="replace").splitlines():
        found = _OPENED.search(line)
        if found and found["path"].startswith(str(outside)) and "O_PATH" not in line:
            report.find("all", "strace saw what lies outside opened", line)


def _listing(folder: Path) -> list[tuple[str, int]]:
    return sorted(
        (str(p.relative_to(folder)), p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()
    )
