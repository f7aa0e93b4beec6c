"""Progress on stderr: one live line on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

if TYPE_CHECKING:
    from automl_ad.progress import Progress

HEARTBEAT_S = 30.0


class ProgressPrinter:
    """A callable for `search(on_progress=...)`. Silent when not enabled.

    Each new stage gets a line that stays; between them a terminal shows one line that changes, and
    anything else gets a line every 30 seconds, whether or not something happened.
    """

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._started_at = time.monotonic()
        self._latest: Progress | None = None
        self._console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self._live = Status("", console=self._console) if enabled and self._console.is_terminal else None
        self._is_over = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        if self._enabled:
            self._heart.start()
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Show where the search stands."""
        if not self._enabled:
            return
        is_new_stage = self._latest is None or progress.stage != self._latest.stage
        self._latest = progress
        if is_new_stage:
            self._print_line()
        if self._live is not None:
            self._live.update(self._sentence())

    def _beat(self) -> None:
        while not self._is_over.wait(1.0 if self._live is not None else HEARTBEAT_S):
            if self._live is not None:
                self._live.update(self._sentence())
            else:
                self._print_line()

    def _print_line(self) -> None:
        self._console.print(self._sentence())

    def _sentence(self) -> str:
        progress = self._latest
        if progress is None:
            return ""
        parts = [f"[{time.monotonic() - self._started_at:6.0f} s] {progress.stage}"]
        if progress.n_total:
            parts.append(f"{progress.n_done}/{progress.n_total} trials, {progress.n_failed} failed")
        if progress.best:
            parts.append(f"leading: {progress.best}")
        if progress.note:
            parts.append(progress.note)
        return escape("; ".join(parts))
