"""A connection to Ray for serving: a private one on this machine, or a running cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray.exceptions import RayError

from automl_ad.errors import ClusterError
from automl_ad.tuning.cluster import check_address, settings_for


@contextmanager
def connected(address: str | None, environment: dict[str, str]) -> Iterator[None]:
    """Ray while the block runs; `address` None starts a private one, which ends with the block.

    `environment` reaches the processes of a private Ray. A process that is connected already stays so.
    Raises ClusterError when there is nothing at the address.
    """
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
            include_dashboard=False if address is None else None,
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
