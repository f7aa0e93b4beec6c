"""Child of fuzz_registry: uses the registry of each line as a server and a person would, and reports the end.

It also notes every path that Python opens, which the parent checks; strace sees what C++ opens besides.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from automl_ad.artifact.registry import Registry
from automl_ad.errors import AutomlADError

opened: list[str] = []
"""Where each file lies that was opened since the last case, links followed."""


def note(event: str, arguments: tuple[Any, ...]) -> None:
    """Audit hook. It is told before the kernel opens, and that a last step may be no link is in the flags."""
    if event == "open" and isinstance(arguments[0], str) and arguments[0].startswith("/"):
        folder, name = os.path.split(arguments[0])
        follows = not arguments[2] & os.O_NOFOLLOW
        opened.append(os.path.realpath(arguments[0]) if follows else f"{os.path.realpath(folder)}/{name}")


def outcome_of(question: dict[str, Any]) -> dict[str, Any]:
    """How each action ended: `ok`, `refused`, or what was raised that no caller is told to expect."""
    opened.clear()
    registry = Registry.open(question["registry"])
    actions: dict[str, Callable[[str, str], object]] = {
        "names": lambda _name, _reference: registry.names(),
        "entry": lambda name, _reference: registry.entry(name),
        "resolve": registry.resolve,
        "load": registry.load,
        "promote": lambda name, reference: registry.promote(name, reference),
        "promote alias": lambda name, reference: registry.promote(name, alias=reference),
        "rollback": lambda name, _reference: registry.rollback(name),
        "add": lambda name, _reference: registry.add(name, Path(question["artifact"])),
        "add alias": lambda name, reference: registry.add(name, Path(question["artifact"]), alias=reference),
    }
    try:
        actions[question["action"]](question["name"], question["reference"])
    except AutomlADError as error:
        return {"outcome": "refused", "said": str(error), "opened": list(opened)}
    except BaseException as error:  # noqa: BLE001  whatever it is, it is what we look for
        return {"outcome": f"raised {type(error).__name__}", "detail": repr(error)[:500], "opened": []}
    return {"outcome": "ok", "said": "", "opened": list(opened)}


if __name__ == "__main__":
    sys.addaudithook(note)
    outcome_of({"registry": sys.argv[1], "action": "load", "name": "sizes", "reference": "", "artifact": ""})
    print(json.dumps({"outcome": "ready"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(outcome_of(json.loads(line))), flush=True)
