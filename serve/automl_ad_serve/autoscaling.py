"""How many replicas run: by Serve's own count behind the ingress, by our own metric for the direct door.

Calls of the direct door never pass through Serve, so each replica reports how many it had in progress. Ray
copies this module into its controller, which is why it imports nothing of ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ray.serve.config import AutoscalingConfig, AutoscalingContext, AutoscalingPolicy

CALLS = "calls"
LOOK_BACK_S = 15.0
"""Serve averages over it. Replicas send what they measured every 10 s."""
_SAMPLE_EVERY_S = 0.05


class CallsPerReplica:
    """Serve's policy for the direct door: as many replicas as bring each to the target."""

    def __init__(self, target_calls: float) -> None:
        self._target = target_calls

    def __call__(self, context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
        """Replicas wanted, a fraction that Serve rounds up, and no state; bounds and delays are Serve's."""
        calls = (context.aggregated_metrics or {}).get(CALLS)
        if not calls:
            return context.target_num_replicas, {}  # nobody has reported yet
        return sum(calls.values()) / self._target, {}


class CallsInProgress:
    """The mean of a count over the time since it was last read: one look would miss all short calls."""

    def __init__(self, count: Callable[[], int]) -> None:
        """Samples `count` on the running event loop until `stop`."""
        self._count = count
        self._sum = 0
        self._n = 0
        self._sampling = asyncio.create_task(self._sample())

    def read(self) -> float:
        """The mean since the last reading."""
        mean = self._sum / self._n if self._n else float(self._count())
        self._sum = self._n = 0
        return mean

    def stop(self) -> None:
        """Sample no more."""
        self._sampling.cancel()

    async def _sample(self) -> None:
        while True:
            self._sum += self._count()
            self._n += 1
            await asyncio.sleep(_SAMPLE_EVERY_S)


def autoscaling(
    *, n_replicas: int, max_replicas: int, target_calls: float, up_s: float, down_s: float, own_metric: bool
) -> AutoscalingConfig:
    """Between `n_replicas` and `max_replicas`, after the load was too high or low for so many seconds."""
    policy = _policy(target_calls) if own_metric else AutoscalingPolicy()  # type: ignore[no-untyped-call]
    return AutoscalingConfig(
        min_replicas=n_replicas,
        initial_replicas=n_replicas,
        max_replicas=max_replicas,
        target_ongoing_requests=target_calls,
        look_back_period_s=LOOK_BACK_S,
        upscale_delay_s=up_s,
        downscale_delay_s=down_s,
        policy=policy,
    )


def _policy(target_calls: float) -> AutoscalingPolicy:
    return AutoscalingPolicy(  # type: ignore[no-untyped-call]
        policy_function=f"{__name__}:{CallsPerReplica.__name__}", policy_kwargs={"target_calls": target_calls}
    )
