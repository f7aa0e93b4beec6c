"""The flags of `automl-ad serve`: their types and help. None is a flag that was not given."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

Artifacts = Annotated[
    list[Path] | None, Argument(help="Folders of artifacts; one or several models.", show_default=False)
]
Registry = Annotated[
    str | None, Option(help="A registry, folder or s3:// prefix, whose champions are followed.")
]
Names = Annotated[
    list[str] | None, Option("--model", help="With --registry: serve only this model; repeatable.")
]
Config = Annotated[Path | None, Option(help="A service file; flags win over it.")]
Device = Annotated[str | None, Option(help="`cpu` (default) or `cuda`.")]
MaxModels = Annotated[int | None, Option(help="Versions held in memory; default: 8.")]
Poll = Annotated[str | None, Option(help="How often the registry is read; default: 5s.")]

Host = Annotated[str | None, Option(help="Address to listen on; default: 127.0.0.1.")]
Port = Annotated[int | None, Option(help="Default: 9000; 0 takes a free one.")]
TLSCert = Annotated[Path | None, Option(help="PEM file of the server's certificate.")]
TLSKey = Annotated[Path | None, Option(help="PEM file of its key.")]
TLSClientCA = Annotated[Path | None, Option(help="Clients must show a certificate that this one signed.")]
Keys = Annotated[Path | None, Option(help="TOML file of the tokens that are accepted.")]
Insecure = Annotated[
    bool | None, Option("--insecure", help="Listen beyond loopback without TLS.", show_default=False)
]
Reflection = Annotated[
    bool | None,
    Option(
        "--reflection/--no-reflection",
        help="Let grpcurl and its like list the services; default: only on loopback.",
        show_default=False,
    ),
]

MaxMessageMB = Annotated[int | None, Option(help="Largest request or answer, in MiB; default: 16.")]
MaxRows = Annotated[int | None, Option(help="Most rows of one request; default: 65536.")]
MetricsPort = Annotated[int | None, Option(help="Port of a Prometheus page; default: no page.")]
LogFormat = Annotated[Literal["text", "json"] | None, Option(help="Lines of the log; default: text.")]
Trace = Annotated[
    Literal["none", "console", "otlp"] | None,
    Option(help="Where OpenTelemetry spans go; default: none."),
]

Ray = Annotated[bool, Option("--ray", help="Run on Ray Serve; every flag below implies it.")]
Address = Annotated[str | None, Option(help="`auto` or HOST:PORT of a cluster; default: a private Ray.")]
Door = Annotated[
    Literal["direct", "ingress"] | None,
    Option(help="Replicas that listen themselves (default), or Ray Serve's own proxy."),
]
Replicas = Annotated[int | None, Option(help="Processes that score; default: 1.")]
MaxReplicas = Annotated[int | None, Option(help="Most of them under load; default: --replicas.")]
GPUsPerReplica = Annotated[float | None, Option(help="A fraction shares a GPU; default: 0.")]
