"""Our own client over TLS with a token, for comparison with the foreign ones: matrix, stream, explanation.

python tests/integration/python_client.py HOST:PORT MODEL CA-FILE TOKEN-FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from automl_ad.rpc.client import ScoringClient


def main(target: str, model: str, ca: str, token_file: str) -> None:
    with ScoringClient(target, tls_ca=Path(ca), token=Path(token_file)) as client:
        details = client.get_model(model)
        print(f"model {details.model.name} {details.model.version}")  # noqa: T201
        rows = np.zeros((2, len(details.model.features)))
        print(f"scores {client.score(rows, model=model).anomaly_score.tolist()}")  # noqa: T201
        for answer in client.score_stream([rows, rows], model=model):
            print(f"stream scores {answer.anomaly_score.tolist()}")  # noqa: T201
        explained = client.explain(rows[:1], model=model)
        largest = int(np.abs(explained.contributions[0]).argmax())
        print(f"explained: most by {explained.features[largest]}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
