"""A Ray cluster to run trials on: joined by its address, or private to this process and quiet."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from types import FrameType
from typing import Any

import ray
from ray._private import worker as ray_worker
from ray.exceptions import RayError

from automl_ad.config import ExecutorConfig
from automl_ad.errors import ClusterError, ConfigError

CONNECT_TIMEOUT_S = 5.0
LOOK_EVERY_S = 5.0

PATIENCE_S = 300.0
"""Time for lost nodes to come back: a cloud takes minutes to replace one."""

Handler = Callable[[int, FrameType | None], Any] | int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Slots:
    """What one trial gets, and how many trials run at once."""

    cpus: float
    gpus: float
    n_slots: int


@contextmanager
def connected(config: ExecutorConfig) -> Iterator[None]:
    """A connection to the cluster, closed at the end. A Ray that runs already is used and left alone.

    Raises ClusterError when the cluster cannot be reached.
    """
    if ray.is_initialized():
        yield
        return
    if config.address is not None:
        check_address(config.address)
    with environment(settings_for(config.address)), _kept_handlers(), _no_error_listener():
        _init(config)
    try:
        yield
    finally:
        with _kept_handlers():
            ray.shutdown()


def fitting_slots(config: ExecutorConfig) -> Slots:
    """The asked resources, lowered to what the largest node has. ClusterError when none can run a trial."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    # A trial trains on one device, so that more than one GPU would idle.
    gpus = min(config.gpus_per_trial, 1.0)
    hosts = [node for node in nodes if node.get("GPU", 0.0) >= gpus]
    cpus = min(config.cpus_per_trial, max((node.get("CPU", 0.0) for node in hosts), default=0.0))
    if cpus <= 0:
        has = {name: sum(node.get(name, 0.0) for node in nodes) for name in ("CPU", "GPU")}
        raise ClusterError(
            f"a node with a CPU and {gpus:g} GPUs must exist to run a trial, "
            f"got {len(nodes)} nodes with {has['CPU']:g} CPUs and {has['GPU']:g} GPUs together",
            "lower --gpus-per-trial, or add nodes",
        )
    n_slots = sum(_fits(node, cpus, gpus) for node in nodes)
    return Slots(cpus=cpus, gpus=gpus, n_slots=min(n_slots, config.max_concurrent or n_slots))


class CapacityWatch:
    """Notices that a cluster has lost every node that could run a trial. Tune would wait for ever."""

    def __init__(self, config: ExecutorConfig) -> None:
        self._config = config
        self._next_look = 0.0
        self._fine_at = time.monotonic()

    def check(self) -> None:
        """Raise ClusterError after minutes without room for a trial; looks every few seconds."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY_S
        try:
            fitting_slots(self._config)
            self._fine_at = now
        except ClusterError:
            if now > self._fine_at + PATIENCE_S:
                raise


def _fits(node: Mapping[str, float], cpus: float, gpus: float) -> int:
    """How many trials a node holds at once."""
    by_cpu = int(node.get("CPU", 0.0) / cpus)
    return min(by_cpu, int(node.get("GPU", 0.0) / gpus)) if gpus else by_cpu


def _init(config: ExecutorConfig) -> None:
    threads = str(max(1, int(config.cpus_per_trial)))
    options: dict[str, Any] = {"include_dashboard": False} if config.address is None else {}
    try:
        ray.init(
            address=config.address or "local",
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            runtime_env={"env_vars": dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), threads)},
            **options,
        )
    except (RayError, RuntimeError, OSError, ValueError) as error:
        raise ClusterError(
            f"the Ray cluster must be reachable, got {type(error).__name__} for "
            f"{config.address or 'a private one'}: {error}",
            "run on a machine of the cluster (`ray status` works there), or submit with `ray job submit`",
        ) from error


def check_address(address: str) -> None:
    """Refuse within seconds what Ray would try to reach for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        raise ConfigError(
            f"--address must be `auto` or HOST:PORT, got {address!r}",
            "for a cluster elsewhere, submit the search with `ray job submit`",
        )
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as error:
        raise ClusterError(
            f"the Ray cluster must be reachable, got {error} for {address}",
            "check the address with `ray status --address HOST:PORT`",
        ) from error


def settings_for(address: str | None) -> dict[str, str]:
    """Environment variables that keep Ray quiet, and a private one closed to other users of the machine."""
    settings = {"RAY_USAGE_STATS_ENABLED": "0"}
    if address is None and not os.environ.keys() & {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}:
        # Otherwise Ray writes a token into the home directory, readable by everyone (PLATFORM 4.4).
        settings["RAY_AUTH_TOKEN"] = _token()
    return settings


@cache
def _token() -> str:
    """One token per process: Ray reads it once."""
    return secrets.token_hex(32)


@contextmanager
def environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Environment variables for Ray, which has no other way to be told; restored afterwards."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _kept_handlers() -> Iterator[None]:
    """Ray takes over SIGTERM of the process that calls it; the handlers of the application come back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT)
    handlers: dict[signal.Signals, Handler] = {number: signal.getsignal(number) for number in signals}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def _no_error_listener() -> Iterator[None]:
    """Keep Ray from printing "a node died" on stdout, where only data belong. It has no setting for it."""
    listen = ray_worker.listen_error_messages
    ray_worker.listen_error_messages = lambda worker, threads_stopped: None  # noqa: ARG005
    try:
        yield
    finally:
        ray_worker.listen_error_messages = listen
