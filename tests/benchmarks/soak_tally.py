"""What a client of a soak counts, and how the tallies of all clients are added up."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field

LEAK = re.compile(r"Traceback|File \"|\.py\b|site-packages|<class '")
MAX_EXAMPLES = 20


@dataclass(kw_only=True, slots=True)
class Tally:
    """Of one client process, or of many."""

    by_kind: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(kind of client, status) -> calls."""
    wrong: list[str] = field(default_factory=list)
    """Answers whose scores are not the library's."""
    leaks: list[str] = field(default_factory=list)
    """Status messages that tell of the server's inside."""
    examples: dict[str, str] = field(default_factory=dict)
    """`kind status` -> the first message of a failure."""
    failed_at: list[float] = field(default_factory=list)
    """When calls of good clients failed, in seconds since the epoch."""
    changes: list[tuple[float, str, str]] = field(default_factory=list)
    """(when, kind, version): a client's answers came from another version than before."""

    def ended(self, kind: str, status: str, said: str = "") -> None:
        """A call has ended so."""
        self.by_kind[kind, status] += 1
        if LEAK.search(said):
            self.leaks.append(f"{kind} {status}: {said[:300]}")
        if status != "OK" and len(self.examples) < MAX_EXAMPLES:
            self.examples.setdefault(f"{kind} {status}", said[:200])

    def answered_by(self, kind: str, version: str, last: dict[str, str]) -> None:
        """Note a change of version; `last` is the client's own memory."""
        if last.get(kind) != version:
            last[kind] = version
            self.changes.append((time.time(), kind, version))

    def add(self, other: Tally) -> None:
        """Count the other's calls too."""
        self.by_kind.update(other.by_kind)
        self.wrong += other.wrong
        self.leaks += other.leaks
        for key, said in other.examples.items():
            self.examples.setdefault(key, said)
        self.failed_at += other.failed_at
        self.changes += other.changes

    def sums(self) -> dict[str, dict[str, int]]:
        """Kind -> status -> calls, and `sent`."""
        table: dict[str, dict[str, int]] = {}
        for (kind, status), count in sorted(self.by_kind.items()):
            row = table.setdefault(kind, {"sent": 0})
            row["sent"] += count
            row[status] = count
        return table
