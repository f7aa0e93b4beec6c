"""The direct door's autoscaling: what replicas report, and how many replicas Serve is told to run."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from automl_ad_serve.autoscaling import CALLS, CallsInProgress, CallsPerReplica, autoscaling


def context(calls: dict[str, float] | None, n_replicas: int = 3) -> SimpleNamespace:
    """What the policy reads of Serve's context."""
    metrics = None if calls is None else {CALLS: calls}
    return SimpleNamespace(aggregated_metrics=metrics, target_num_replicas=n_replicas)


@pytest.mark.parametrize(
    ("calls", "wanted"), [({"a": 8.0}, 2.0), ({"a": 8.0, "b": 6.0}, 3.5), ({"a": 0.0, "b": 0.0}, 0.0)]
)
def test_calls_of_all_replicas_are_shared_out_by_the_target(calls, wanted):
    assert CallsPerReplica(target_calls=4)(context(calls)) == (wanted, {})


@pytest.mark.parametrize("calls", [None, {}])
def test_without_reports_the_count_stays(calls):
    assert CallsPerReplica(target_calls=4)(context(calls, n_replicas=3)) == (3, {})


def test_a_reading_is_the_mean_since_the_last_one():
    counts = iter([2, 4, 6])

    async def read() -> tuple[float, float]:
        done = asyncio.Event()

        def count() -> int:
            value = next(counts, None)
            if value is None:
                done.set()
                return 10
            return value

        calls = CallsInProgress(count)
        await done.wait()
        calls.stop()
        return calls.read(), calls.read()

    first, second = asyncio.run(read())
    assert first == pytest.approx((2 + 4 + 6 + 10) / 4)
    assert second == 10  # nothing sampled since: the count itself


def test_serve_gets_bounds_delays_and_the_policy_of_the_door():
    own = autoscaling(n_replicas=1, max_replicas=4, target_calls=3, up_s=7, down_s=9, own_metric=True)
    assert (own.min_replicas, own.max_replicas, own.upscale_delay_s, own.downscale_delay_s) == (1, 4, 7, 9)
    assert own.policy.get_policy()(**own.policy.policy_kwargs)(context({"a": 6.0})) == (2.0, {})
    serves = autoscaling(n_replicas=1, max_replicas=4, target_calls=3, up_s=7, down_s=9, own_metric=False)
    assert serves.policy.is_default_policy_function()
    assert serves.target_ongoing_requests == 3
