"""Progress of scoring files, on stderr: the rows done and the pace, at the end what was found."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from automl_ad.data.scores_file import BatchReport

PROGRESS_EVERY_S = 5.0


class RowProgress:
    """A line on stderr now and then. Silent when not enabled."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._started_at = self._last_line_at = time.monotonic()

    def __call__(self, n_rows: int) -> None:
        """Hear of the rows done so far."""
        now = time.monotonic()
        if now - self._last_line_at >= PROGRESS_EVERY_S:
            self._say(f"{n_rows:,} rows, {n_rows / (now - self._started_at):,.0f} rows/s")
            self._last_line_at = now

    def finish(self, report: BatchReport, *, model: str, version: str, threshold: float, rule: str) -> None:
        """Say what was scored, by what, and how much of it is strange."""
        share = report.n_anomalies / report.n_rows
        self._say(
            f"scored {report.n_rows:,} rows in {time.monotonic() - self._started_at:.1f} s "
            f"with {model}, version {version}: {report.n_anomalies:,} anomalies ({share:.2%}) "
            f"above {threshold:.6g} ({rule})"
        )

    def _say(self, line: str) -> None:
        if self._enabled:
            print(line, file=sys.stderr, flush=True)
