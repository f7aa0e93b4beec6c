"""Hostile input, by the thousand: over the wire, in artifacts, in registries.

    python tests/fuzz/run.py [--requests 20000] [--seed 0] [--targets wire ...] [--findings FILE]

Four fifths of the requests go over the wire, a tenth each to the other targets. The same seed sends the same
cases. Prints how the cases of each target ended; findings are written as JSON lines, and there being one is
exit code 1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections import Counter
from pathlib import Path

N_KINDS, N_LETTERS = 12, 160
SHARES = {"wire": 0.8, "artifacts": 0.1, "registry": 0.1}


def main() -> int:
    """1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--targets", nargs="+", choices=SHARES, default=list(SHARES))
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings.jsonl"))
    options = parser.parse_args()
    findings = []
    for target in options.targets:
        n_cases = round(options.requests * SHARES[target])
        started = time.monotonic()
        report = importlib.import_module(f"fuzz_{target}").run(n_cases, options.seed)
        print(f"{target}: {n_cases} cases in {time.monotonic() - started:.0f} s", flush=True)
        for outcome, count in sorted(report.counts.items(), key=lambda item: -item[1]):
            print(f"  {count:7} {outcome}", flush=True)
        for (what, detail), count in grouped(report.findings):
            print(f"    {count} times {what}: {detail}", flush=True)
        findings += report.findings
    options.findings.write_text("".join(json.dumps(finding) + "\n" for finding in findings))
    print(f"{len(findings)} findings" + (f", see {options.findings}" if findings else ""))
    return 1 if findings else 0


def grouped(findings: list[dict[str, str]]) -> list[tuple[tuple[str, str], int]]:
    """The most frequent kinds of findings, by what went wrong and the beginning of the detail."""
    kinds = Counter((finding["what"], finding["detail"][:N_LETTERS]) for finding in findings)
    return kinds.most_common(N_KINDS)


if __name__ == "__main__":
    sys.exit(main())
