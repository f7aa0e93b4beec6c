"""One service in full: its models, how it listens and logs, and whether it runs on Ray. Plain records."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from automl_ad.errors import ConfigError
from automl_ad.rpc.options import HostOptions, ModelSource, require_positive

Door = Literal["direct", "ingress"]
LogFormat = Literal["text", "json"]
Trace = Literal["none", "console", "otlp"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogOptions:
    """What leaves the process beside answers."""

    format: LogFormat = "text"
    trace: Trace = "none"
    """Where spans go: nowhere, to stderr, or to an OpenTelemetry collector (its own variables say which)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RayOptions:
    """How many replicas answer on Ray Serve, where, and behind which door."""

    door: Door = "direct"
    """`direct`: replicas listen themselves; `ingress`: Serve's own gRPC proxy."""
    address: str | None = None
    """None starts a private Ray; `auto` or HOST:PORT joins a cluster, whose nodes need the models too."""
    n_replicas: int = 1
    """Replicas that always run."""
    max_replicas: int | None = None
    """Most replicas under load; None: `n_replicas`, whatever the load."""
    target_calls: float = 8.0
    """Calls in progress that one replica should have, on average, before another one is started."""
    upscale_delay_s: float = 30.0
    """How long the load must be too high."""
    downscale_delay_s: float = 300.0
    """How long it must be low enough for one replica fewer: models take seconds to load again."""
    cpus_per_replica: float = 1.0
    gpus_per_replica: float = 0.0
    """A fraction lets replicas share a GPU."""
    max_per_node: int | None = None
    """Most replicas of one node; 1 spreads them over the nodes."""
    call_timeout_s: float = 60.0
    """Ingress only: when the proxy gives up a call. Serve does not tell replicas the client's deadline."""

    def __post_init__(self) -> None:
        most = self.n_replicas if self.max_replicas is None else self.max_replicas
        if not 1 <= self.n_replicas <= most:
            raise ConfigError(
                "replicas must be at least 1 and at most max_replicas, "
                f"got replicas={self.n_replicas} and max_replicas={self.max_replicas}"
            )
        if self.max_per_node is not None and self.max_per_node < 1:
            raise ConfigError(f"max_per_node must be at least 1, got {self.max_per_node}")
        require_positive(
            self, "target_calls", "upscale_delay_s", "downscale_delay_s", "cpus_per_replica", "call_timeout_s"
        )
        if not 0 <= self.gpus_per_replica < math.inf:
            raise ConfigError(
                f"gpus_per_replica must be at least 0 and finite, got {self.gpus_per_replica:g}"
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceOptions:
    """What `automl-ad serve` runs. `ray` None: this process answers."""

    models: ModelSource
    host: HostOptions = field(default_factory=HostOptions)
    logs: LogOptions = field(default_factory=LogOptions)
    ray: RayOptions | None = None
