"""Calls spread over fresh processes that end with their driver, however it ends."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_in_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    n_jobs: int,
    on_result: Callable[[Item, Result], None],
) -> None:
    """Call the function on every item, `n_jobs` at a time, and hand over (item, result) as they finish.

    What the function, `on_result` or a signal raises here ends the calls that still run at once.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_jobs, mp_context=context) as pool:
        try:
            with _interrupts_held_back():
                futures = {pool.submit(function, item): item for item in items}
            for future in as_completed(futures):
                on_result(futures[future], future.result())
        except BaseException:
            _terminate(pool)
            raise


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Processes begun inside never see SIGINT, which Ctrl-C sends to every process of the terminal.

    A mask is inherited, so that it holds before the new process has run a line; the driver sees a held-back
    Ctrl-C right afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _terminate(pool: ProcessPoolExecutor) -> None:
    """End the pool's processes; leaving its block then waits for nothing."""
    for process in list((pool._processes or {}).values()):  # public from Python 3.14: terminate_workers
        process.terminate()
