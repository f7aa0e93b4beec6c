"""`automl-ad serve`: answer gRPC with an artifact, on this process or on Ray Serve."""

from __future__ import annotations

import ipaddress
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from automl_ad.errors import ConfigError

if TYPE_CHECKING:
    from automl_ad.artifact import Scorer
    from automl_ad.rpc.host import HostOptions


def serve(
    artifact: Annotated[list[Path], typer.Argument(help="Folders of artifacts; one or several models.")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 9000,
    max_message_mb: Annotated[int, typer.Option(help="Largest request or answer, in MiB.")] = 64,
    max_rows: Annotated[int, typer.Option(help="Most rows of one request.")] = 65_536,
    reflection: Annotated[bool, typer.Option(help="Let grpcurl and its like list the services.")] = True,
    ray: Annotated[bool, typer.Option("--ray", help="Run on Ray Serve.")] = False,
    address: Annotated[
        str | None, typer.Option(help="With --ray: `auto` or HOST:PORT of a cluster; else a private Ray.")
    ] = None,
    door: Annotated[
        Literal["direct", "ingress"],
        typer.Option(help="With --ray: replicas that listen themselves, or Serve's own proxy."),
    ] = "direct",
    replicas: Annotated[int, typer.Option(help="With --ray: processes that score.")] = 1,
) -> None:
    """Serve artifacts over gRPC until SIGTERM or Ctrl-C, then finish running calls and exit with 0."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its C core would log what we report in a sentence

    from automl_ad.rpc.host import HostOptions
    from automl_ad.rpc.models import MIB, Limits

    if max_message_mb < 1 or max_rows < 1:
        raise ConfigError(
            f"--max-message-mb and --max-rows must be at least 1, got {max_message_mb} and {max_rows}"
        )
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    limits = Limits(max_message_bytes=max_message_mb * MIB, max_rows=max_rows)
    options = HostOptions(host=host, port=port, limits=limits, has_reflection=reflection)
    if ray:
        _serve_on_ray(artifact, options, door, replicas, address)
    else:
        _serve_here(artifact, options)


def _serve_here(artifacts: list[Path], options: HostOptions) -> None:
    from automl_ad.rpc import host

    scorers = _load(artifacts)
    _warn_unless_loopback(options.host)
    host.serve(scorers, options, _print_address)


def _serve_on_ray(
    artifacts: list[Path],
    options: HostOptions,
    door: Literal["direct", "ingress"],
    n_replicas: int,
    address: str | None,
) -> None:
    from automl_ad_serve.run import ServeOptions, run

    serve_options = ServeOptions(door=door, n_replicas=n_replicas, address=address, host=options)
    if address is None:  # a cluster's nodes have artifacts of their own, this machine perhaps none
        _load(artifacts)
    _warn_unless_loopback("0.0.0.0" if door == "ingress" else options.host)
    run(artifacts, serve_options, _print_address)


def _load(artifacts: list[Path]) -> list[Scorer]:
    from automl_ad.artifact import Scorer

    scorers = [Scorer.load(path) for path in artifacts]
    for scorer in scorers:
        print(f"model {scorer.name}, version {scorer.version}", file=sys.stderr)
    return scorers


def _warn_unless_loopback(host: str) -> None:
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = host == "localhost"
    if not is_loopback:
        print(
            f"WARNING: listening on {host}: whoever reaches this machine can call the models, "
            "without encryption and without a password. Allow only trusted networks.",
            file=sys.stderr,
        )


def _print_address(address: str) -> None:
    print(f"listening on {address}", flush=True)
