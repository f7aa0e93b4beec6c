"""What each rule of the threshold flags: normal scores, and panels with 5 and 25 % of anomalies.

    python tests/benchmarks/bench_thresholds.py [--panels 40] [--rows 2000]

A panel's scores are those of one law or, for `ensemble`, the mean surprise of three detectors that share a
factor (`combine`). Anomalies lie six standard deviations higher. Shown are means over panels, on fresh rows:
the share of normal rows flagged / the share of anomalies found, in percent. `contamination` is told the true
share of anomalies, or the alert rate where there are none; the others aim at the alert rate.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from automl_ad.artifact import PanelECDF, combine, threshold_of

RULES = ("alert-rate", "contamination", "pot", "ema")
SHARES = (0.0, 0.05, 0.25)
RATES = (0.01, 0.001, 0.0001)
N_FRESH = 100_000
N_PARTS = 3
SHIFT = 6.0

Draw = Callable[[np.random.Generator, int], np.ndarray]
LAWS: dict[str, Draw] = {
    "gaussian": lambda rng, n: rng.normal(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal": lambda rng, n: rng.lognormal(size=n) / 2.16,
    "student-3": lambda rng, n: rng.standard_t(3, size=n) / 3**0.5,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--panels", type=int, default=40)
    parser.add_argument("--rows", type=int, default=2_000)
    options = parser.parse_args()
    print(f"{options.panels} panels of {options.rows:,} rows; normal rows flagged / anomalies found, in %")
    for share in SHARES:
        for rate in RATES:
            print(f"\n{100 * share:g} % anomalies, alert rate {100 * rate:g} %")
            print(f"  {'scores':12s}" + "".join(f"{rule:>20s}" for rule in RULES))
            for law in (*LAWS, "ensemble"):
                cells = [measured(law, rule, rate, share, options.panels, options.rows) for rule in RULES]
                print(f"  {law:12s}" + "".join(f"{cell:>20s}" for cell in cells))


def measured(law: str, rule: str, rate: float, share: float, n_panels: int, n_rows: int) -> str:
    """Means over panels of what is flagged of fresh normal rows and of fresh anomalies."""
    flagged = []
    for seed in range(n_panels):
        panel_N, normal_M, strange_M = scores_of(law, np.random.default_rng(seed), share, n_rows)
        told = share if rule == "contamination" and share else rate
        value = threshold_of(panel_N, rate=told, rule=rule).value
        flagged.append(((normal_M > value).mean(), (strange_M > value).mean()))
    false, found = 100 * np.mean(flagged, axis=0)
    return f"{false:.4f} / {found:.1f}" if share else f"{false:.4f}"


def scores_of(
    law: str, rng: np.random.Generator, share: float, n_rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(panel, fresh normal rows, fresh anomalies)."""
    is_strange_N = rng.random(n_rows) < share
    is_strange_M = np.repeat([False, True], N_FRESH)
    if law != "ensemble":
        panel_N = LAWS[law](rng, n_rows) + SHIFT * is_strange_N
        fresh_M = LAWS[law](rng, 2 * N_FRESH) + SHIFT * is_strange_M
        return panel_N, fresh_M[:N_FRESH], fresh_M[N_FRESH:]
    panel_PN, fresh_PM = (
        raw_parts(rng, is_strange) + SHIFT * is_strange for is_strange in (is_strange_N, is_strange_M)
    )
    maps = [PanelECDF.from_scores(scores_N) for scores_N in panel_PN]
    panel_N, fresh_M = (
        combine([(1.0, ecdf, scores) for ecdf, scores in zip(maps, parts, strict=True)])
        for parts in (panel_PN, fresh_PM)
    )
    return panel_N, fresh_M[:N_FRESH], fresh_M[N_FRESH:]


def raw_parts(rng: np.random.Generator, rows: np.ndarray) -> np.ndarray:
    """[N_PARTS, rows], standard scores of detectors that agree by half."""
    shared = rng.normal(size=len(rows))
    return (shared + rng.normal(size=(N_PARTS, len(rows)))) / 2**0.5


if __name__ == "__main__":
    main()
