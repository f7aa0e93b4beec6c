"""Memory of a search over many rows against one over few: the driver and everything it starts, summed PSS.

Run: `python tests/benchmarks/bench_memory.py [--rows 5000000]`. PSS counts a page that several processes
share once, so that a copy of the data per worker would show.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import descendants, pss_bytes

N_COLUMNS = 30
GROUP_ROWS = 250_000
POLL_S = 0.5


def write_table(path: Path, n_rows: int) -> None:
    rng = np.random.default_rng(0)
    schema = pa.schema([(f"f{i}", pa.float64()) for i in range(N_COLUMNS)])
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, n_rows, GROUP_ROWS):
            block = rng.normal(size=(min(GROUP_ROWS, n_rows - start), N_COLUMNS))
            writer.write_table(pa.table({f"f{i}": block[:, i] for i in range(N_COLUMNS)}, schema=schema))


def peak_of_search(table: Path, folder: Path) -> tuple[float, float]:
    """(highest summed PSS in GB, seconds) of a small search with two Ray workers."""
    flags = ["--executor", "ray", "--preset", "fast", "--max-trials", "8", "--quiet"]
    command = [sys.executable, "-m", "automl_ad", "search", str(table), *flags, "--output", str(folder)]
    started, peak = time.monotonic(), 0
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, sum(map(pss_bytes, descendants(process.pid))))
        time.sleep(POLL_S)
    if process.returncode not in (0, 5):
        raise SystemExit(f"the search failed with exit code {process.returncode}")
    return peak / 1e9, time.monotonic() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    n_many = parser.parse_args().rows
    peaks = {}
    with tempfile.TemporaryDirectory() as temporary:
        for n_rows in (n_many // 100, n_many):
            table = Path(temporary) / f"{n_rows}.parquet"
            write_table(table, n_rows)
            peaks[n_rows], seconds = peak_of_search(table, Path(temporary) / f"study-{n_rows}")
            print(f"{n_rows:>9,} rows x {N_COLUMNS}: peak {peaks[n_rows]:.2f} GB, {seconds:.0f} s")
    few, many = peaks.values()
    print(f"ratio {many / few:.2f}")


if __name__ == "__main__":
    main()
