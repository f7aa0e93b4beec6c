"""Child of fuzz_artifacts: loads the artifact of each line, scores two rows, says what came of it."""

from __future__ import annotations

import json
import resource
import sys

from automl_ad.artifact import Scorer
from automl_ad.errors import ArtifactError, RowsError

SPARE_BYTES = 3 * 2**30
"""Address space beyond what the libraries take: whoever asks for more is told that there is none."""


def outcome_of(path: str) -> dict[str, str]:
    """`loaded`, `refused`, or the type of an error that no caller is told to expect."""
    try:
        scorer = Scorer.load(path)
    except ArtifactError:
        return {"outcome": "refused"}
    except BaseException as error:  # noqa: BLE001  whatever it is, it is what we look for
        return {"outcome": f"load raised {type(error).__name__}", "detail": repr(error)[:500]}
    try:
        scorer.score({feature.name: [None, None] for feature in scorer.schema.features})
    except RowsError:
        pass
    except BaseException as error:  # noqa: BLE001
        return {"outcome": f"score raised {type(error).__name__}", "detail": repr(error)[:500]}
    return {"outcome": "loaded"}


def limit_memory() -> None:
    """Ask for too much, and MemoryError is the answer; the machine is left alone."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        n_bytes = int(file.read().split()[0]) * resource.getpagesize() + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))


if __name__ == "__main__":
    outcome_of(sys.argv[1])  # imports and warms what the limit must not count
    limit_memory()
    print(json.dumps({"outcome": "ready"}), flush=True)
    for line in sys.stdin:
        print(json.dumps(outcome_of(json.loads(line)["path"])), flush=True)
