"""Progress on stderr: one live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.status import Status

if TYPE_CHECKING:
    from automl_ad.progress import Progress

HEARTBEAT_S = 30.0


class ProgressPrinter:
    """A callable for `search(on_progress=...)`. Silent when not enabled."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._console = Console(file=sys.stderr, highlight=False)
        self._status = Status("", console=self._console) if enabled and self._console.is_terminal else None
        self._last_line_at = float("-inf")
        self._last_stage = ""

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, progress: Progress) -> None:
        """Show where the search stands."""
        if not self._enabled:
            return
        if self._status is not None:
            self._status.update(_sentence(progress))
        elif progress.stage != self._last_stage or time.monotonic() - self._last_line_at >= HEARTBEAT_S:
            print(_sentence(progress), file=sys.stderr, flush=True)
            self._last_line_at = time.monotonic()
        if self._status is not None and progress.note and progress.stage != self._last_stage:
            self._console.print(_sentence(progress))
        self._last_stage = progress.stage


def _sentence(progress: Progress) -> str:
    parts = [f"[{progress.elapsed_s:6.0f} s] {progress.stage}"]
    if progress.n_total:
        parts.append(f"{progress.n_done}/{progress.n_total} trials, {progress.n_failed} failed")
    if progress.best:
        parts.append(f"leading: {progress.best}")
    if progress.note:
        parts.append(progress.note)
    return "; ".join(parts).replace("[", r"\[") if sys.stderr.isatty() else "; ".join(parts)
