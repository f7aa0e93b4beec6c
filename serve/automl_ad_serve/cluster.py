"""A connection to Ray for serving: a private one on this machine, or a running cluster."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError

from automl_ad.errors import ClusterError
from automl_ad.rpc.service_options import RayOptions
from automl_ad.tuning.cluster import check_address, settings_for


@contextmanager
def connected(options: RayOptions, environment: dict[str, str]) -> Iterator[None]:
    """Ray while the block runs; without an address a private one, which ends with the block.

    `environment` reaches the processes of a private Ray. A process that is connected already stays so.
    Raises ClusterError when there is nothing at the address.
    """
    address = options.address
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # it would announce an HTTP address
    if ray.is_initialized():
        yield
        return
    os.environ.update({**settings_for(address), **environment})
    if address is not None:
        check_address(address)
    else:
        # Ray starts workers with niceness 15: beside anything else that computes, a replica would starve.
        os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        ray.init(
            address=address or "local",
            namespace="automl-ad",
            **(_private(options) if address is None else {}),
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (RayError, RuntimeError, OSError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster answers at {address!r}: {error}",
            "start one with `ray start --head`, or leave --address out",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _private(options: RayOptions) -> dict[str, Any]:
    """As many CPUs as the replicas ask for: whoever starts more than there are cores wants them to share."""
    most = options.max_replicas or options.n_replicas
    n_cpus = max(os.cpu_count() or 1, math.ceil(most * options.cpus_per_replica))
    return {"include_dashboard": False, "num_cpus": n_cpus}
