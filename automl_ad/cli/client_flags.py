"""The flags that every `automl-ad client` command has, and the client that they describe.

A token is never a flag: other users of a machine can read the command lines of its processes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from automl_ad.cli.search import parse_duration

if TYPE_CHECKING:
    from automl_ad.rpc.client import ScoringClient
    from automl_ad.rpc.client.connection import Token

TOKEN_VARIABLE = "AUTOML_AD_TOKEN"

Target = Annotated[str, typer.Argument(help="HOST:PORT of the service, or dns:///NAME:PORT.")]
Data = Annotated[
    list[str],
    typer.Argument(help="Parquet or CSV files, globs, folders or URIs (s3://...).", show_default=False),
]
ModelFlag = Annotated[str, typer.Option(help="Name of the model; empty: the only one.", show_default=False)]
VersionFlag = Annotated[str, typer.Option(help="Version or alias; empty: the champion.", show_default=False)]
IdColumn = Annotated[
    str | None, typer.Option(help="Names the rows in the output; without it, their position does.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option(help=f"File with the token, read at every call; else ${TOKEN_VARIABLE} is taken."),
]
TLSAuthority = Annotated[
    str | None,
    typer.Option(help='PEM file of the authority behind the server, or "public"; without it: no encryption.'),
]
TLSCertificate = Annotated[Path | None, typer.Option(help="PEM file of a certificate of one's own (mTLS).")]
TLSKey = Annotated[Path | None, typer.Option(help="PEM file of its key.")]
TLSServerName = Annotated[
    str | None, typer.Option(help="Name in the server's certificate, where TARGET is another, as localhost.")
]
Timeout = Annotated[str, typer.Option(help="Longest wait for an answer, such as 30s or 2m.")]


def connect(
    target: str,
    *,
    token_file: Path | None = None,
    tls_ca: str | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_server_name: str | None,
    timeout: str,
    has_token: bool = True,
) -> ScoringClient:
    """The client that the flags describe. Raises ConfigError."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its C core would log what we report in a sentence

    from automl_ad.rpc.client import ScoringClient

    return ScoringClient(
        target,
        timeout_s=parse_duration(timeout),
        token=_token(token_file) if has_token else None,
        tls_ca=tls_ca,
        tls_certificate=tls_cert,
        tls_key=tls_key,
        tls_server_name=tls_server_name,
    )


def _token(file: Path | None) -> Token | None:
    return file if file is not None else os.environ.get(TOKEN_VARIABLE) or None
