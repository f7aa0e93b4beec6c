"""SIGTERM that ends a command as Ctrl-C does: what was half written is removed on the way out."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def exits_on_sigterm() -> Iterator[None]:
    """In the block SIGTERM raises SystemExit(143); without a handler nothing would be tidied up."""

    def stop(signal_number: int, _frame: object) -> None:
        raise SystemExit(128 + signal_number)

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
