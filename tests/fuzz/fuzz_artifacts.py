"""Damaged and hostile artifacts: `Scorer.load` works or raises ArtifactError; no crash, no hang, no swelling.

Every file is damaged in its bytes and in its structure (manifest as JSON, safetensors by header and by
value), most of the time with sizes, hashes and version made right again, as somebody who means harm would.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from child import Child
from fuzz_models import write_models
from mutation import json_bytes, mutated_bytes, mutated_json
from outcomes import Report
from pydantic import ValidationError
from safetensors.numpy import load_file, save_file

from automl_ad.artifact import Manifest
from automl_ad.artifact.manifest import MANIFEST, content_version

EXPECTED = {"loaded", "refused"}
_EXTREMES = (0, 1, -1, np.nan, np.inf, -np.inf, 1e300, -1e300, 2**31 - 1, 2**62)


def run(n_cases: int, seed: int) -> Report:
    """What became of the cases."""
    report = Report(target="artifacts", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        originals = list(write_models(Path(folder) / "originals").values())
        victim = Path(folder) / "victim"
        with Child("artifact_child.py", str(originals[0])) as child:
            for index in range(n_cases):
                rng = random.Random(f"{seed}/artifacts/{index}")
                shutil.rmtree(victim, ignore_errors=True)
                shutil.copytree(rng.choice(originals), victim)
                damage = damaged(victim, rng)
                answer = child.ask({"path": str(victim)})
                report.count(answer["outcome"])
                if answer["outcome"] not in EXPECTED:
                    report.find(f"{index}: {damage}", answer["outcome"], answer.get("detail", ""))
    return report


def damaged(folder: Path, rng: random.Random) -> str:
    """Damage the artifact; what was done comes out."""
    names = sorted(path.name for path in folder.iterdir())
    name = rng.choice([MANIFEST, *names])
    damages = [_damage_bytes, _replace_file]
    if name == MANIFEST:
        damages += [_damage_manifest] * 8
    elif name.endswith(".safetensors"):
        damages += [_damage_header] * 3 + [_damage_array] * 5
    damage = rng.choice(damages)
    try:
        damage(folder / name, rng)
    except (OSError, ValueError, TypeError, OverflowError) as error:
        return (
            f"{damage.__name__} {name} could not be done: {error}"  # the artifact is as it was or half done
        )
    is_sealed = rng.random() < 0.85 and _reseal(folder)
    return f"{damage.__name__} {name}{', resealed' if is_sealed else ''}"


def _damage_manifest(path: Path, rng: random.Random) -> None:
    document = json.loads(path.read_bytes())
    part = rng.choice(("preprocessing", "parts", "threshold", "files", None))
    if part is None:
        document = mutated_json(document, rng)
    else:
        document[part] = mutated_json(document[part], rng)
    path.write_bytes(json_bytes(document, rng))


def _damage_bytes(path: Path, rng: random.Random) -> None:
    path.write_bytes(mutated_bytes(path.read_bytes(), rng))


def _damage_header(path: Path, rng: random.Random) -> None:
    """Of a safetensors file: 8 bytes of length, a JSON document, the arrays."""
    content = path.read_bytes()
    n_bytes = int.from_bytes(content[:8], "little")
    header = json_bytes(mutated_json(json.loads(content[8 : 8 + n_bytes]), rng), rng)
    length = rng.choice([len(header)] * 8 + [0, len(header) + 1, 2**40, 2**63])
    path.write_bytes(length.to_bytes(8, "little") + header + content[8 + n_bytes :])


def _damage_array(path: Path, rng: random.Random) -> None:
    """One array gets a value, a shape or a type that it should not have, or is left out or doubled."""
    arrays = load_file(path)
    name = rng.choice(sorted(arrays))
    array = arrays[name].copy()
    match rng.randrange(7):
        case 0 | 1 | 2 if array.size:
            value = rng.choice(_EXTREMES)
            with np.errstate(all="ignore"):
                array.reshape(-1)[rng.randrange(array.size)] = np.array(value).astype(array.dtype)
        case 3:
            array = array.astype(rng.choice(["<f8", "<f4", "<i8", "<i4", "u1", "?"]))
        case 4:
            array = array.reshape(-1)[: rng.randrange(array.size + 1)]
        case 5:
            array = np.broadcast_to(array, (2, *array.shape)).copy()
        case _:
            arrays.pop(name)
            save_file(arrays, path)
            return
    save_file({**arrays, name: np.ascontiguousarray(array)}, path)


def _replace_file(path: Path, rng: random.Random) -> None:
    """By nothing, a link, a pipe, a folder, an empty file, another file of the artifact, or a huge one."""
    siblings = sorted(path.parent.iterdir())
    content = rng.choice(siblings).read_bytes()
    path.unlink()
    outside = path.parent.parent / "outside"
    actions: tuple[Callable[[], object], ...] = (
        lambda: None,
        lambda: path.symlink_to(outside),
        lambda: path.symlink_to(path),
        lambda: path.symlink_to("/dev/zero"),
        lambda: os.mkfifo(path),
        lambda: path.mkdir(),
        lambda: path.write_bytes(b""),
        lambda: path.write_bytes(content),
        lambda: (path.write_bytes(content), os.truncate(path, 2**33)),  # sparse: it takes no room
    )
    rng.choice(actions)()


def _reseal(folder: Path) -> bool:
    """Make sizes, hashes and version right again, as far as what is left can be read."""
    if not (folder / MANIFEST).is_file():  # a pipe would never end
        return False
    try:
        document = json.loads((folder / MANIFEST).read_bytes())
        for name in document["files"]:
            path = folder / Path(name).name
            if path.is_file() and not path.is_symlink() and path.stat().st_size < 2**30:
                content = path.read_bytes()
                sha256 = hashlib.sha256(content).hexdigest()
                document["files"][name] = {"size_bytes": len(content), "sha256": sha256}
        (folder / MANIFEST).write_text(json.dumps(document))
        document["version"] = content_version(Manifest.model_validate_json(json.dumps(document)))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, ValidationError):
        return False
    (folder / MANIFEST).write_text(json.dumps(document))
    return True
