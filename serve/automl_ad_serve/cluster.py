"""A connection to Ray for serving: a private one on this machine, or a running cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from automl_ad.errors import ClusterError


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
    os.environ.update({"RAY_USAGE_STATS_ENABLED": "0", **environment})
    if address is None:
        # Ray starts workers with niceness 15: beside anything else that computes, a replica would starve.
        os.environ.setdefault("RAY_worker_niceness", "0")
        # Ray 2.60 would write ~/.ray/auth_token with mode 0644; a private Ray listens on this machine only.
        os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    try:
        ray.init(
            address=address or "local",
            namespace="automl-ad",
            include_dashboard=False if address is None else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster answers at {address!r}: {error}",
            "start one with `ray start --head`, or leave --address out",
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
