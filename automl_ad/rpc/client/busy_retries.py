"""Calls that a busy server refused, sent again when it says so: few times, in time, within a budget.

gRPC's own retries cannot do it: the code of a busy server is also that of a message that is too large, which
no second attempt makes smaller. A busy server says when to come back, and that is the difference.
"""

from __future__ import annotations

import threading
import time

from automl_ad.rpc.client.connection import Connection
from automl_ad.rpc.errors import Overloaded, ServiceError

MAX_ATTEMPTS = 4
MAX_TOKENS = 10.0
TOKENS_OF_SUCCESS = 0.1
"""The budget of gRPC proposal A6, as in `channel.RETRY_BUDGET`: a refusal costs 1, at half retries end."""


class BusyRetries:
    """The budget that all calls of a client share. Any thread may use it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tokens = MAX_TOKENS
        self._changing = threading.Lock()

    def attempts(self) -> Attempts:
        """The attempts of one call, whose deadline begins now."""
        return Attempts(self, time.monotonic() + self._connection.timeout_s)

    def earn(self) -> None:
        """A call succeeded."""
        self._add(TOKENS_OF_SUCCESS)

    def spend(self) -> bool:
        """A busy server refused a call: whether it may be sent again."""
        return self._add(-1.0) > MAX_TOKENS / 2 and self._connection.retries

    def _add(self, tokens: float) -> float:
        with self._changing:
            self._tokens = min(MAX_TOKENS, max(0.0, self._tokens + tokens))
            return self._tokens


class Attempts:
    """What is left of the time and the attempts of one call."""

    def __init__(self, budget: BusyRetries, deadline: float) -> None:
        self._budget = budget
        self._deadline = deadline
        self._n_made = 0

    @property
    def left_s(self) -> float:
        """Seconds until the deadline."""
        return max(0.0, self._deadline - time.monotonic())

    def succeeded(self) -> None:
        """The call was answered."""
        self._budget.earn()

    def pause_s(self, error: ServiceError) -> float:
        """How long to wait before the next attempt. Raises the error where there is none."""
        self._n_made += 1
        wait_s = error.retry_after_s if isinstance(error, Overloaded) else None
        may_repeat = wait_s is not None and self._budget.spend()
        if wait_s is None or not may_repeat or self._n_made >= MAX_ATTEMPTS or wait_s >= self.left_s:
            raise error
        return wait_s
