"""From a service file (TOML) and the flags, which win over it, to one checked ServiceOptions."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from automl_ad.errors import ConfigError, did_you_mean
from automl_ad.rpc.config_sections import SECTIONS, ServiceFile
from automl_ad.rpc.options import MIB, HostOptions, Limits, ModelSource, TLSFiles
from automl_ad.rpc.service_options import LogOptions, RayOptions, ServiceOptions

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Tables = Mapping[str, Mapping[str, Any]]
"""Section -> key -> value, spelled as in a service file. None is a key that was not given."""


def read_service(file: Path | None, flags: Tables, *, on_ray: bool = False) -> ServiceOptions:
    """The service that the flags describe on top of the file.

    It runs on Ray where the file has [ray], a flag belongs to it, or `on_ray` says so.
    Raises ConfigError that names file (or flags), section and key.
    """
    tables = {} if file is None else read_tables(file)
    source = "the flags" if file is None else f"{file} with the flags"
    if on_ray:
        tables.setdefault("ray", {})
    return _built(_with_flags(tables, flags), source)


def read_tables(file: Path) -> dict[str, dict[str, Any]]:
    """The file's sections, checked, with paths as seen from the folder of the file."""
    try:
        raw = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"the service file cannot be read, got {error.strerror} for {file}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} must be valid TOML, got: {error}") from error
    return _parsed(raw, str(file)).tables(file.parent)


def _with_flags(tables: Tables, flags: Tables) -> dict[str, dict[str, Any]]:
    """A flag replaces its key; another source of models replaces the file's."""
    given = {name: _given(table) for name, table in flags.items() if _given(table)}
    below = {name: dict(table) for name, table in tables.items()}
    if given.get("models", {}).keys() & {"artifacts", "registry"}:
        for key in ("artifacts", "registry", "names"):
            below.get("models", {}).pop(key, None)
    return {name: {**below.get(name, {}), **given.get(name, {})} for name in (below | given)}


def _given(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def _built(tables: Tables, source: str) -> ServiceOptions:
    content = _parsed(tables, source)
    return ServiceOptions(
        models=_record(ModelSource, content.models.options(), source),
        host=_host(content, source),
        logs=LogOptions(**content.logs.options()),
        ray=None if content.ray is None else _record(RayOptions, content.ray.options(), source),
    )


def _host(content: ServiceFile, source: str) -> HostOptions:
    limits = content.limits.options()
    if "max_message_mb" in limits:
        limits["max_message_bytes"] = limits.pop("max_message_mb") * MIB
    host: HostOptions = _record(HostOptions, content.listen.options(), source)
    return replace(
        host,
        limits=_record(Limits, limits, source),
        tls=None if content.tls is None else TLSFiles(**content.tls.options()),
        keys=None if content.keys is None else content.keys.file,
        metrics_port=None if content.metrics is None else content.metrics.port,
    )


def _record(kind: type[Any], options: dict[str, Any], source: str) -> Any:
    """A record made of what was given; the rules are the record's own."""
    try:
        return kind(**options)
    except ConfigError as error:
        raise ConfigError(f"{error.message} in {source}", error.hint) from error


def _parsed(tables: Mapping[str, Any], source: str) -> ServiceFile:
    try:
        return ServiceFile.model_validate(tables)
    except ValidationError as error:
        raise _explained(error.errors(include_url=False)[0], source) from error


def _explained(error: ErrorDetails, source: str) -> ConfigError:
    """One sentence for the first thing that pydantic found."""
    section, *keys = [str(part) for part in error["loc"] if isinstance(part, str)]
    if error["type"] == "extra_forbidden" and not keys:
        return ConfigError(
            f"every section must be known in {source}, got [{section}]", did_you_mean(section, SECTIONS)
        )
    if not keys:
        return ConfigError(f"[{section}] must be a table in {source}, got {_got(error)}")
    if error["type"] == "extra_forbidden":
        return ConfigError(
            f"every key of [{section}] must be known in {source}, got {keys[0]!r}",
            did_you_mean(keys[0], SECTIONS[section].model_fields),
        )
    if error["type"] == "missing":
        return ConfigError(f"{keys[0]} must be given in [{section}] of {source}, got nothing")
    rule = error["msg"].replace("Input should be", "must be")
    return ConfigError(f"{keys[0]} of [{section}] {rule} in {source}, got {_got(error)}")


def _got(error: ErrorDetails) -> str:
    """What was given; where a registry may stand, its type only: s3://KEY:SECRET@bucket holds a secret."""
    if error["loc"] in {("models",), ("models", "registry")}:
        return f"a value of type {type(error['input']).__name__}"
    return repr(error["input"])
