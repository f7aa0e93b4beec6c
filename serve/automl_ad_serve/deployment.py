"""The one deployment: which class stands behind the door, what each replica gets, how many there are."""

from __future__ import annotations

from typing import Any

from ray import serve

from automl_ad.rpc.service_options import RayOptions, ServiceOptions
from automl_ad_serve.autoscaling import autoscaling
from automl_ad_serve.direct import DirectHost
from automl_ad_serve.ingress import Ingress

_HEALTH_PERIOD_S, _HEALTH_TIMEOUT_S = 5.0, 20.0
"""Three unanswered checks and Serve starts another replica in its place."""
_MORE_THAN_DRAINING_S = 5.0
"""For models and threads to end before Serve kills the process."""


def deployment_of(service: ServiceOptions) -> Any:
    """The application for `serve.run`, which hands `service` to every replica."""
    ray = service.ray or RayOptions()
    kind = DirectHost if ray.door == "direct" else Ingress
    options = {**_replicas(ray), **_queue(service)}
    return serve.deployment(
        name=ray.door,
        ray_actor_options={"num_cpus": ray.cpus_per_replica, "num_gpus": ray.gpus_per_replica},
        graceful_shutdown_timeout_s=service.host.drain_s + _MORE_THAN_DRAINING_S,
        health_check_period_s=_HEALTH_PERIOD_S,
        health_check_timeout_s=_HEALTH_TIMEOUT_S,
        **options,
    )(kind).bind(service)


def _replicas(ray: RayOptions) -> dict[str, Any]:
    most = {} if ray.max_per_node is None else {"max_replicas_per_node": ray.max_per_node}
    if ray.max_replicas in (None, ray.n_replicas):
        return {"num_replicas": ray.n_replicas, **most}
    config = autoscaling(
        n_replicas=ray.n_replicas,
        max_replicas=ray.max_replicas,
        target_calls=ray.target_calls,
        up_s=ray.upscale_delay_s,
        down_s=ray.downscale_delay_s,
        own_metric=ray.door == "direct",
    )
    return {"autoscaling_config": config, **most}


def _queue(service: ServiceOptions) -> dict[str, int]:
    """A replica refuses calls itself, with a hint when to come back, before Serve does without one.

    What Serve counts also holds health watches and idle streams, hence the room above the replica's limit.
    """
    n_calls = service.host.limits.max_in_progress
    return {"max_ongoing_requests": 4 * n_calls, "max_queued_requests": n_calls}
