"""The sections of a service file: which keys there are, and of which type; None: left out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from automl_ad.rpc.service_options import Door, LogFormat, Trace

AnyPath = Annotated[Path, Field(strict=False)]
"""Text in the file."""


class Section(BaseModel):
    """A table of the file. Unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)

    def options(self) -> dict[str, Any]:
        """The keys that were given, named as in the record they are for."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ModelsSection(Section):
    """[models]: a ModelSource."""

    artifacts: list[AnyPath] = Field(default=[])
    registry: str | None = None
    names: list[str] = Field(default=[])
    max_loaded: int | None = None
    poll_s: float | None = None
    device: str | None = None

    def options(self) -> dict[str, Any]:
        """Lists as tuples."""
        given = super().options()
        return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


class ListenSection(Section):
    """[listen]: the HostOptions."""

    host: str | None = None
    port: int | None = None
    insecure: bool | None = None
    reflection: bool | None = None
    drain_s: float | None = None

    def options(self) -> dict[str, Any]:
        """Truth values under their longer names."""
        longer = {"insecure": "is_insecure", "reflection": "has_reflection"}
        return {longer.get(name, name): value for name, value in super().options().items()}


class TLSSection(Section):
    """[tls]: PEM files; with `client_ca`, clients must show a certificate."""

    certificate: AnyPath
    key: AnyPath
    client_ca: AnyPath | None = None


class KeysSection(Section):
    """[keys]: the file of the tokens."""

    file: AnyPath


class LimitsSection(Section):
    """[limits]: what one request may be at most."""

    max_message_mb: int | None = None
    max_rows: int | None = None
    max_columns: int | None = None
    max_explained_rows: int | None = None
    max_in_progress: int | None = None
    max_batch_rows: int | None = None


class MetricsSection(Section):
    """[metrics]: the Prometheus page."""

    port: int


class LogsSection(Section):
    """[logs]: lines and spans."""

    format: LogFormat | None = None
    trace: Trace | None = None


class RaySection(Section):
    """[ray]: run on Ray Serve; an empty section is enough."""

    door: Door | None = None
    address: str | None = None
    replicas: int | None = None
    max_replicas: int | None = None
    target_calls: float | None = None
    upscale_delay_s: float | None = None
    downscale_delay_s: float | None = None
    cpus_per_replica: float | None = None
    gpus_per_replica: float | None = None
    max_per_node: int | None = None
    call_timeout_s: float | None = None

    def options(self) -> dict[str, Any]:
        """`replicas` is a count in the record."""
        return {("n_replicas" if name == "replicas" else name): v for name, v in super().options().items()}


class ServiceFile(Section):
    """A whole file."""

    models: ModelsSection = Field(default=ModelsSection())
    listen: ListenSection = Field(default=ListenSection())
    tls: TLSSection | None = None
    keys: KeysSection | None = None
    limits: LimitsSection = Field(default=LimitsSection())
    metrics: MetricsSection | None = None
    logs: LogsSection = Field(default=LogsSection())
    ray: RaySection | None = None

    def tables(self, folder: Path) -> dict[str, dict[str, Any]]:
        """Section -> key -> value as given, relative paths under `folder`."""
        given = self.model_dump(exclude_unset=True)
        tables = {name: {k: _beside(v, folder) for k, v in table.items()} for name, table in given.items()}
        registry = self.models.registry
        if registry is not None and "://" not in registry:
            tables["models"]["registry"] = str(folder / registry)
        return tables


SECTIONS: dict[str, type[Section]] = {
    "models": ModelsSection,
    "listen": ListenSection,
    "tls": TLSSection,
    "keys": KeysSection,
    "limits": LimitsSection,
    "metrics": MetricsSection,
    "logs": LogsSection,
    "ray": RaySection,
}


def _beside(value: Any, folder: Path) -> Any:
    """Paths and lists of paths as seen from `folder`; other values as they are."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, list):
        return [_beside(item, folder) for item in value]
    return value
