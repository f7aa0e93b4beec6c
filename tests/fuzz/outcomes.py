"""What came of the cases of a target: counted by outcome, and every finding with what repeats it."""

from __future__ import annotations

import re
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

_REPOSITORY = Path(__file__).parents[2]
_LEAK = re.compile(r'Traceback|File "|\.py\b|<class \'|object at 0x|site-packages|bytearray\(|pybind')


@dataclass(kw_only=True, slots=True)
class Report:
    """Grows while a target runs."""

    target: str
    seed: int
    counts: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, str]] = field(default_factory=list)

    def count(self, outcome: str) -> None:
        """One more case that ended like this."""
        self.counts[outcome] += 1

    def find(self, case: str, what: str, detail: object = "") -> None:
        """A case that ended as no case may. `case` and the seed repeat it."""
        self.counts["FINDING"] += 1
        finding = {"target": self.target, "seed": str(self.seed), "case": case, "what": what}
        self.findings.append({**finding, "detail": str(detail)[:2_000]})


def leak_in(text: str, *secrets: str) -> str:
    """What a sentence says of the server's inside: a traceback, a path of this machine; empty: nothing."""
    found = _LEAK.search(text)
    if found:
        return found.group()
    places = (str(_REPOSITORY), sys.prefix, *secrets)
    return next((place for place in places if place in text), "")
