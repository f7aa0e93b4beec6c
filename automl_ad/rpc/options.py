"""What a service is told at start: where to listen, what to serve, what to refuse. Plain records, no grpc."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from automl_ad.errors import ConfigError

MIB = 1024 * 1024
_MAX_INT = 2**31 - 1
"""gRPC keeps the size of a message in an int."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one request may be at most, and how many may wait."""

    max_message_bytes: int = 16 * MIB
    """20,000 rows of 100 doubles. Times `max_in_progress` it bounds what waits; rows that are scored may be
    wider in memory than on the wire, see `wire.rows.MAX_ENCODED_VALUES`."""
    max_rows: int = 65_536
    """Bounds the time of one request, which nothing can interrupt."""
    max_columns: int = 16_384
    """Columns or tensors of one request, checked before any is looked at."""
    max_explained_rows: int = 64
    """An explanation scores hundreds of rows for one."""
    max_in_progress: int = 128
    """Calls that are decoded, wait or are scored; others are refused with a hint when to come back."""
    max_batch_rows: int = 256
    """Rows of several small requests that are scored together."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) >= 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_message_bytes > _MAX_INT:
            raise ConfigError(
                f"max_message_bytes must be at most {_MAX_INT}, as gRPC counts, got {self.max_message_bytes}",
                f"write at most --max-message-mb {_MAX_INT // MIB}",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class TLSFiles:
    """PEM files of a server. With `client_ca`, clients must show a certificate that it signed (mTLS)."""

    certificate: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSource:
    """Where the models of a service come from: folders of artifacts, or a registry, never both."""

    artifacts: tuple[Path, ...] = ()
    registry: str | None = field(default=None, repr=False)
    """A folder or an s3:// prefix, which may hold a secret: never printed."""
    names: tuple[str, ...] = ()
    """Models of the registry that may be served; empty: all of them."""
    max_loaded: int = 8
    """Versions held in memory; the one unused for longest goes first, champions last."""
    poll_s: float = 5.0
    """How often the registry is asked whether a champion has changed."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        if bool(self.artifacts) == (self.registry is not None):
            raise ConfigError(
                "a service needs artifacts or a registry, got " + ("both" if self.artifacts else "neither"),
                "write `automl-ad serve ARTIFACT`, or `automl-ad serve --registry DIR`",
            )
        if self.names and self.registry is None:
            raise ConfigError(
                f"names of models need a registry to choose from, got {', '.join(self.names)} with artifacts",
                "leave out --model, or write `automl-ad serve --registry DIR --model NAME`",
            )
        if not self.max_loaded >= 1:
            raise ConfigError(f"max_loaded must be at least 1, got {self.max_loaded}")
        require_positive(self, "poll_s")


@dataclass(frozen=True, kw_only=True, slots=True)
class HostOptions:
    """Where and how to listen."""

    host: str = "127.0.0.1"
    port: int = 9000
    """0 takes a free one."""
    limits: Limits = field(default_factory=Limits)
    tls: TLSFiles | None = None
    keys: Path | None = None
    """TOML file of the tokens that are accepted; None: whoever can connect may call."""
    is_insecure: bool = False
    """The override: listen beyond loopback without TLS."""
    has_reflection: bool | None = None
    """None: on loopback only."""
    metrics_port: int | None = None
    """Port of the Prometheus page, on the same address; None: no page. 0 takes a free one."""
    shares_port: bool = False
    """SO_REUSEPORT: several processes listen on one port and the kernel spreads the connections."""
    drain_s: float = 10.0
    """How long a stopping server lets running calls finish."""

    def __post_init__(self) -> None:
        for name, port in (("port", self.port), ("metrics_port", self.metrics_port or 0)):
            if not 0 <= port <= 65_535:
                raise ConfigError(f"{name} must be in [0, 65535], got {port}")
        if not 0 <= self.drain_s < math.inf:
            raise ConfigError(f"drain_s must be a number of seconds, at least 0, got {self.drain_s:g}")


def require_positive(record: object, *names: str) -> None:
    """Raise ConfigError unless these numbers of the record are above 0, and neither nan nor infinite."""
    for name in names:
        value = getattr(record, name)
        if not 0 < value < math.inf:
            raise ConfigError(f"{name} must be positive and finite, got {value:g}")
