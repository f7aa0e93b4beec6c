"""Every detector's published default on every public table: what it finds, what it costs, what is vetoed.

    python tests/benchmarks/bench_detectors.py --output detectors.jsonl [--detectors vae] [--tables cardio]
    python tests/benchmarks/bench_detectors.py --output detectors.jsonl --print

At most 2,000 rows of a table, 100 epochs, one network, the rows fitted are the rows scored. AUROC of the
native score after the last epoch (labels evaluate, no more), CPU seconds of fitting and scoring. One line per
detector and table is appended to `--output`; what is there already is not run again. AnoGAN optimises a code
for every row it scores and runs on three tables only.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np
import torch

from automl_ad.config import DataConfig, SearchConfig
from automl_ad.criteria import veto
from automl_ad.data import read_table
from automl_ad.detectors import DETECTORS
from automl_ad.evaluation.labels import read_labels
from automl_ad.evaluation.metrics import auroc
from automl_ad.preparation import prepare
from automl_ad.results import TrialConfig, TrialResult
from automl_ad.space import load_baselines, load_space
from automl_ad.trial import run_trial

DATA = Path(os.environ.get("AUTOML_AD_TEST_DATA", "../shared/data")) / "tabular"
MAX_ROWS = 2_000
ANOGAN_TABLES = ("pima", "cardio", "ionosphere")


def configs() -> dict[str, TrialConfig]:
    """Name -> config: the baselines, and each deep detector's default within the caps of `balanced`."""
    space = load_space("balanced", data_kind="tabular", only=tabular_detectors())
    deep = {
        c.detector: c
        for c in space.published_defaults()
        if "n_epochs" in space.detectors[c.detector].defaults()
    }
    return load_baselines(data_kind="tabular") | deep


def tabular_detectors() -> tuple[str, ...]:
    return tuple(name for name in DETECTORS if name != "pixelcnn")


def run(name: str, config: TrialConfig, table: str) -> dict[str, object]:
    """One line of the output."""
    source = str(DATA / f"{table}.parquet")
    rows = read_table(DataConfig(sources=(source,), label_column="label", max_rows=MAX_ROWS), seed=0)
    prepared = prepare(rows, SearchConfig())
    labels = read_labels((source,), "label", prepared.panel_positions)
    start = time.process_time()
    result = run_trial(
        config, prepared.data, number=0, seed=0, n_members=1, report=lambda _epoch, _best: False
    )
    seconds = round(time.process_time() - start, 2)
    line = {"detector": name, "table": table, "seconds": seconds, "state": result.state}
    return line | (judged(result, labels) if result.candidates else {"reason": result.reason})


def judged(result: TrialResult, labels: np.ndarray) -> dict[str, object]:
    last = max(c.key.checkpoint for c in result.candidates)
    candidates = [c for c in result.candidates if c.key.checkpoint == last]
    finite = [c for c in candidates if np.isfinite(c.panel_scores).all()]
    return {
        "auroc": {c.key.score_type: round(auroc(labels, c.panel_scores), 4) for c in finite},
        "vetoes": {c.key.score_type: reason for c in candidates if (reason := veto(c, result))},
        "epochs": last,
    }


def show(lines: list[dict[str, object]]) -> None:
    """Two tables: native AUROC by table, and all score types' means."""
    detectors = list(dict.fromkeys(line["detector"] for line in lines))
    tables = sorted({line["table"] for line in lines})
    found = {(line["detector"], line["table"]): line for line in lines}
    print("| detector | mean | " + " | ".join(name[:6] for name in tables) + " | CPU s | vetoed |")
    print("|---" * (len(tables) + 4) + "|")
    for detector in detectors:
        own = [found.get((detector, table)) for table in tables]
        native = [
            next(iter(line["auroc"].values())) if line and line.get("auroc") else np.nan for line in own
        ]
        seconds = np.median([line["seconds"] for line in own if line])
        n_vetoed = sum(
            bool(line and (line["state"] == "failed" or next(iter(line["auroc"])) in line["vetoes"]))
            for line in own
        )
        cells = " | ".join(
            "-" if np.isnan(value) else f"{value:.3f}"[1:] if value < 1 else "1." for value in native
        )
        print(f"| {detector} | {np.nanmean(native):.3f} | {cells} | {seconds:.1f} | {n_vetoed} |")
    print("\n| detector | mean AUROC of each score type |\n|---|---|")
    for detector in detectors:
        own = [line["auroc"] for line in lines if line["detector"] == detector and line.get("auroc")]
        types = dict.fromkeys(name for aurocs in own for name in aurocs)
        means = (
            f"{name} {np.mean([aurocs[name] for aurocs in own if name in aurocs]):.3f}" for name in types
        )
        print(f"| {detector} | {', '.join(means)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--detectors", default="")
    parser.add_argument("--tables", default="")
    parser.add_argument("--print", action="store_true")
    arguments = parser.parse_args()
    lines = []
    if arguments.output.exists():
        lines = [json.loads(line) for line in arguments.output.read_text().splitlines()]
    if arguments.print:
        show(lines)
        return
    torch.set_num_threads(1)
    done = {(line["detector"], line["table"]) for line in lines}
    chosen = set(filter(None, arguments.detectors.split(",")))
    tables = list(filter(None, arguments.tables.split(","))) or sorted(
        path.stem for path in DATA.glob("*.parquet")
    )
    for name, config in configs().items():
        for table in tables:
            is_left_out = name == "anogan" and table not in ANOGAN_TABLES
            if (name, table) in done or is_left_out or (chosen and name not in chosen):
                continue
            line = run(name, config, table)
            with arguments.output.open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
