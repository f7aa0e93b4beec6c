"""A child process that answers one JSON line with one JSON line, and may die or hang of what it is asked."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
START_S = 120.0
"""Its imports take seconds, on a busy machine many."""


class Child:
    """Says `{"outcome": "ready"}` first; is started again after it has died."""

    def __init__(self, script: str, *arguments: str, prefix: Sequence[str] = ()) -> None:
        """`prefix` is a command that runs the child, such as strace."""
        self._command = [*prefix, sys.executable, str(HERE / script), *arguments]
        self._process: subprocess.Popen[str] | None = None

    def ask(self, question: dict[str, Any], *, timeout_s: float = 20.0) -> dict[str, Any]:
        """The answer; `{"outcome": "died ..."}` or `{"outcome": "hung"}` where there is none."""
        process = self._running()
        try:
            process.stdin.write(json.dumps(question) + "\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._death()
        return self._answer(process, timeout_s)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            ready = self._answer(self._process, START_S)
            if ready["outcome"] != "ready":
                raise RuntimeError(f"{self._command} must say that it is ready, got {ready}")
        return self._process

    def _answer(self, process: subprocess.Popen[str], timeout_s: float) -> dict[str, Any]:
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            if not selector.select(timeout_s):
                self.close()
                return {"outcome": "hung", "detail": f"no answer for {timeout_s:g} s"}
        line = process.stdout.readline()
        return json.loads(line) if line else self._death()

    def _death(self) -> dict[str, Any]:
        code = self._process.wait() if self._process else None
        self._process = None
        return {"outcome": "died", "detail": f"exit code {code}"}
