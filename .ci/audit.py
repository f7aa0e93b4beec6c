"""Whether an installed package has a known vulnerability: pip-audit, with an answer one can rely on.

    .ci/venv/bin/python .ci/audit.py

pip-audit alone says "no known vulnerabilities found" when the service knows none of the packages, as behind a
mirror of PyPI without its vulnerability pages. Here nothing answered is an ending of its own:

    0   the packages that were answered have no vulnerability, or listed ones only
    1   a vulnerability, or a reason in audit-ignore.toml that has run out
    75  nobody answered. Nothing is known, so nothing passed; but a service that is down is no fault of a
        change, so `.ci/run` goes on and says so in its last line
"""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 75
IGNORED = Path(__file__).with_name("audit-ignore.toml")
COMMAND = ("-m", "pip_audit", "--format=json", "--progress-spinner=off", "--timeout=10", "--skip-editable")
MAX_SECONDS = 120


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """How the audit ended, and the lines that say why."""

    code: int
    lines: tuple[str, ...]


def main() -> int:
    """Prints the verdict; its code is the exit status."""
    report, trouble = ask()
    ignored = tomllib.loads(IGNORED.read_text()).get("ignore", [])
    verdict = judge(report, ignored, datetime.now(UTC).date()) if report else nobody_answered(trouble)
    print("\n".join(verdict.lines))
    return verdict.code


def ask() -> tuple[Sequence[Mapping[str, Any]], str]:
    """The packages as pip-audit reports them; none, and its last words, where it reached no service."""
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND], capture_output=True, text=True, timeout=MAX_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return [], f"no answer within {MAX_SECONDS} s"
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except ValueError:
        return [], (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]


def judge(report: Iterable[Mapping[str, Any]], ignored: Iterable[Mapping[str, Any]], today: date) -> Verdict:
    """What a report of pip-audit means, given the vulnerabilities that somebody decided to live with."""
    report = list(report)
    answered = [package for package in report if "vulns" in package]
    skipped = [package["name"] for package in report if "vulns" not in package]
    if not answered:
        return nobody_answered(f"the service knows none of {len(report)} packages")
    accepted = {entry["id"]: entry for entry in ignored}
    lines = [f"audited {len(answered)} packages; not known to the service: {', '.join(skipped) or 'none'}"]
    is_clean = True
    for package in answered:
        for found in package["vulns"]:
            is_accepted, line = weigh(package, found, accepted, today)
            is_clean &= is_accepted
            lines.append(line)
    return Verdict(code=CLEAN if is_clean else VULNERABLE, lines=tuple(lines))


def weigh(
    package: Mapping[str, Any],
    found: Mapping[str, Any],
    accepted: Mapping[str, Mapping[str, Any]],
    today: date,
) -> tuple[bool, str]:
    """Whether one finding may stay, and its line."""
    names = {found["id"], *found.get("aliases", ())}
    entry = next((accepted[name] for name in names if name in accepted), None)
    fixed = ", ".join(found.get("fix_versions", ())) or "no version"
    line = f"{package['name']} {package['version']}: {found['id']}, fixed in {fixed}"
    if entry is None:
        return False, f"FOUND {line}"
    if entry["until"] < today:
        return False, f"FOUND {line}; it was accepted until {entry['until']}: {entry['reason']}"
    return True, f"accepted until {entry['until']} {line}: {entry['reason']}"


def nobody_answered(why: str) -> Verdict:
    """The ending that is neither good nor bad."""
    return Verdict(code=UNKNOWN, lines=(f"NOT AUDITED: {why}",))


if __name__ == "__main__":
    sys.exit(main())
